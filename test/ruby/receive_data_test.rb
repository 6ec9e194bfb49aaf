# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# What receive_data gets: everything, in order, a new String each time; and the end of input.

require "test_helper"

class ReceiveDataTest < ReactorTest
  repeat_under_gc_pressure except: [/everything_sent/, /ten_megabytes/, /data_kept/, /pieces_of_any_size/]

  def test_data_is_binary_unfrozen_and_not_empty
    strings = []
    reactor do
      port = server(receive_data: ->(_, data) { strings << data })
      talk(port) do |socket|
        3.times { |i| socket.write("é#{i}") && sleep(0.005) }
        socket.close
        wait_until { strings.join.bytesize == 9 }
      end
    end
    assert_equal [Encoding::BINARY], strings.map(&:encoding).uniq
    assert_empty strings.select { |data| data.frozen? || data.empty? }
    assert_equal "é0é1é2".b, strings.join
  end

  def test_data_kept_by_the_handler_does_not_change
    strings = []
    sums = []
    note = ->(_, data) { (strings << data) && sums << data.sum }
    reactor do
      talk(server(receive_data: note)) do |socket|
        200.times { |i| socket.write((i % 10).to_s * 20_000) }
        wait_until { strings.sum(&:bytesize) == 4_000_000 }
      end
    end
    assert_equal sums, strings.map(&:sum)
    assert_equal strings.size, strings.map(&:object_id).uniq.size
  end

  def test_the_handler_may_change_the_string_it_got
    replies = nil
    reactor do
      shout = ->(it, data) { it.send_data(data.upcase!.tap { data.replace("scrap") } && "DONE") }
      replies = talk(server(receive_data: shout)) { |socket| socket.write("word") && socket.read(4) }
    end
    assert_equal "DONE", replies.value
  end

  def test_bytes_arrive_in_order_in_pieces_of_any_size
    received = nil
    sent = Array.new(500) { |i| "#{i};" * (i % 7) }
    reactor do
      port = server(receive_data: ->(it, _) { received = it.received })
      talk(port) do |socket|
        sent.each { |part| socket.write(part) }
        wait_until { received&.bytesize == sent.sum(&:bytesize) }
      end
    end
    assert_equal sent.join, received
  end

  def test_every_byte_value_arrives
    all = (0..255).to_a.pack("C*") * 4
    conversation = nil
    reactor do
      port = port_of(EM.start_server("127.0.0.1", 0, Echo))
      conversation = talk(port) { |socket| socket.write(all) && socket.read(all.bytesize) }
    end
    assert_equal all, conversation.value
  end

  def test_ten_megabytes_arrive_complete
    all = Random.new(1).bytes(10_000_000)
    received = nil
    reactor do
      talk(server(unbind: ->(it, _) { received = it.received })) do |socket|
        socket.write(all)
        socket.close
        wait_until { received }
      end
    end
    assert_equal all.hash, received.hash
  end

  def test_data_and_end_that_arrive_together_are_reported_in_this_order
    accepted = nil
    reactor do
      port = server(post_init: ->(it) { accepted = it }, unbind: ->(*) { EM.stop })
      socket = peer(port)
      socket.write("last words")
      socket.close
    end
    assert_equal [%i[initialize post_init receive_data unbind], "last words", nil],
                 [accepted.events, accepted.received, accepted.reason]
  end

  def test_everything_sent_before_the_end_arrives_before_unbind
    accepted = nil
    all = Random.new(2).bytes(3_000_000)
    reactor do
      # Paused at first, so that data and end wait in the kernel together.
      port = server(post_init: ->(it) { (accepted = it).pause }, unbind: ->(*) { EM.stop })
      socket = peer(port)
      Thread.new do
        socket.write(all)
        socket.close
      end
      EM.add_timer(0.05) { accepted.resume }
    end
    assert_equal all.bytesize, accepted.received.bytesize
    assert_equal all.hash, accepted.received.hash
  end

  def test_one_busy_connection_does_not_starve_the_others
    order = []
    reactor do
      keep_busy = ->(it, data) { it.send_data(data) }
      port = server(receive_data: keep_busy)
      busy = client(port, receive_data: keep_busy)
      8.times { busy.send_data("x" * 16_384) }
      EM.add_timer(0.02) do
        client(port, receive_data: ->(*) { (order << :other) && EM.stop }).send_data("me too")
      end
    end
    assert_equal [:other], order
  end
end
