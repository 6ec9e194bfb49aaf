# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# EM.receive_into: one String is filled again and again, whatever the program does with it in between.

require "test_helper"

class ReceiveIntoTest < ReactorTest
  repeat_under_gc_pressure except: [/any_amount/]

  def test_receive_data_is_given_the_same_string_each_time
    buffer = String.new
    strings = []
    accepted = nil
    reactor do
      port = server(post_init: ->(it) { EM.receive_into(accepted = it, buffer) }, receive_data: ->(_, data) { strings << data })
      talk(port) do |socket|
        ["one", "two2", "x" * 30_000, "3"].each do |text|
          before = accepted&.received&.bytesize.to_i
          socket.write(text)
          wait_until { accepted && accepted.received.bytesize == before + text.bytesize }
        end
      end
    end
    assert(strings.all? { |string| string.equal?(buffer) })
    assert_equal ["one", "two2", "x" * 30_000, "3"].join, accepted.received
    assert_equal "3", buffer
  end

  def test_any_amount_of_data_arrives_complete
    all = Random.new(3).bytes(5_000_000)
    received = nil
    reactor do
      port = server(post_init: ->(it) { EM.receive_into(it, +"") }, unbind: ->(it, _) { received = it.received })
      talk(port) do |socket|
        socket.write(all)
        socket.close
        wait_until { received }
      end
    end
    assert_equal all.hash, received.hash
  end

  def test_copies_of_parts_of_the_string_do_not_change
    parts = []
    sums = []
    keep = lambda do |_, data|
      parts << data[1..] << data.dup
      sums << data[1..].sum << data.sum
    end
    reactor do
      port = server(post_init: ->(it) { EM.receive_into(it, String.new(capacity: 100_000)) }, receive_data: keep)
      talk(port) do |socket|
        100.times { |i| socket.write((i % 10).to_s * 20_000) }
        wait_until { parts.sum(&:bytesize) + (parts.size / 2) == 4_000_000 }
      end
    end
    assert_equal sums, parts.map(&:sum)
  end

  def test_data_that_is_sent_back_does_not_change
    replies = nil
    all = Random.new(4).bytes(1_000_000)
    reactor do
      port = server(post_init: ->(it) { EM.receive_into(it, +"") }, receive_data: ->(it, data) { it.send_data(data) })
      replies = talk(port) do |socket|
        writer = Thread.new { socket.write(all) }
        socket.read(all.bytesize).tap { writer.join }
      end
    end
    assert_equal all.hash, replies.value.hash
  end

  def test_the_string_becomes_binary_and_is_returned
    buffer = +"é"
    results = []
    reactor do
      port = server(post_init: ->(it) { results << EM.receive_into(it, buffer) })
      talk(port) { |socket| socket.write("\xFF") && wait_until { buffer == "\xFF".b } }
    end
    assert_equal [buffer], results
    assert_equal Encoding::BINARY, buffer.encoding
  end

  def test_with_nil_each_piece_is_a_new_string_again
    strings = []
    take = lambda do |it, data|
      strings << data
      EM.receive_into(it, nil) if strings.size == 1
    end
    reactor do
      port = server(post_init: ->(it) { EM.receive_into(it, +"") }, receive_data: take)
      talk(port) do |socket|
        3.times { |i| socket.write(i.to_s * 20_000) && wait_until { strings.sum(&:bytesize) >= (i + 1) * 20_000 } }
      end
    end
    assert_equal strings.size, strings.map(&:object_id).uniq.size
  end

  def test_one_string_serves_many_connections
    buffer = +""
    received = Hash.new { |sums, it| sums[it] = 0 }
    reactor do
      port = server(post_init: ->(it) { EM.receive_into(it, buffer) }, receive_data: ->(it, data) { received[it] += data.sum(64) })
      5.times do |i|
        talk(port) do |socket|
          socket.write(i.to_s * 50_000)
          wait_until { received.values.sum == (0..4).sum { |n| (48 + n) * 50_000 } }
        end
      end
    end
    assert_equal((0..4).map { |i| (48 + i) * 50_000 }, received.values.sort)
  end

  def test_a_string_frozen_meanwhile_is_an_error_of_receive_data
    buffer = +""
    errors = []
    EM.error_handler { |error| errors << error.class }
    reactor do
      port = server(post_init: ->(it) { EM.receive_into(it, buffer) }, receive_data: ->(_, data) { data.freeze })
      talk(port) do |socket|
        socket.write("a" * 40_000)
        wait_until { buffer.frozen? }
        socket.write("b" * 40_000)
        wait_until { errors.any? }
      end
    end
    assert_equal [FrozenError], errors.uniq
  ensure
    EM.error_handler(nil)
  end

  def test_only_strings_that_can_be_changed_are_accepted
    errors = []
    reactor do
      try = lambda do |it|
        [1, :name, "frozen"].each do |wrong|
          EM.receive_into(it, wrong)
        rescue TypeError, FrozenError => e
          errors << e.class
        end
        EM.stop
      end
      client(server, post_init: try)
    end
    assert_equal [TypeError, TypeError, FrozenError], errors
  end

  def test_it_returns_nil_for_a_connection_that_has_ended
    answers = []
    reactor do
      client(server, connection_completed: ->(it) { it.close_connection }, unbind: lambda { |it, _|
        answers << EM.receive_into(it, +"")
        EM.next_tick { (answers << EM.receive_into(it, +"")) && EM.stop }
      })
    end
    assert_equal [nil, nil], answers
  end
end
