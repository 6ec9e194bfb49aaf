# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# send_data: what it accepts, what it returns, and that exactly those bytes arrive, in order, however many they are and
# whatever happens to the String afterwards. For closing see closing_test.rb.

require "test_helper"
require "digest"

class SendDataTest < ReactorTest
  repeat_under_gc_pressure except: [/slow_reader/, /many_small_sends/, /small_and_large/,
                                   /changing_the_string/]

  # @return [Array] what the peer of an accepted connection read until its end, and what the block returned, which sends
  def sent
    result = nil
    conversation = nil
    reactor do
      send_and_close = lambda do |it|
        result = yield it
        it.close_connection_after_writing
      end
      conversation = talk(server(post_init: send_and_close), &:read)
    end
    [conversation.value, result]
  end

  def test_the_number_of_bytes_is_returned
    data, counts = sent { |it| ["abc", "é", "\u{1F600}", "\x00\xff".b].map { |text| it.send_data(text) } }
    assert_equal [3, 2, 4, 2], counts
    assert_equal "abcé\u{1F600}".b + "\x00\xff".b, data
  end

  def test_any_object_with_to_s_may_be_sent
    data, counts = sent { |it| [123, nil, :symbol, 1.5, [1, 2]].map { |object| it.send_data(object) } }
    assert_equal [3, 0, 6, 3, 6], counts
    assert_equal "123symbol1.5[1, 2]", data
  end

  def test_nothing_to_send_returns_0
    data, counts = sent { |it| ["", nil].map { |nothing| it.send_data(nothing) } }
    assert_equal [[0, 0], ""], [counts, data]
  end

  def test_an_error_in_to_s_reaches_the_caller
    unprintable = Object.new.tap { |it| it.define_singleton_method(:to_s) { raise ArgumentError, "unprintable" } }
    data, = sent do |it|
      it.send_data("before ")
      assert_raises(ArgumentError) { it.send_data(unprintable) }
      it.send_data("after")
    end
    assert_equal "before after", data
  end

  def test_to_s_may_itself_send_or_close
    data, = sent do |it|
      sender = Object.new
      sender.define_singleton_method(:to_s) { it.send_data("inner ") && "outer" }
      it.send_data(sender)
      closer = Object.new
      closer.define_singleton_method(:to_s) { it.close_connection_after_writing || "too late" }
      assert_equal 0, it.send_data(closer)
    end
    assert_equal "inner outer", data
  end

  def test_changing_the_string_afterwards_changes_nothing
    [10, 1000, 100_000, 1_000_000].each do |size|
      data, = sent do |it|
        text = "a" * size
        it.send_data(text)
        text.upcase!
        it.send_data(text)
        text.replace("other")
        text.clear
      end
      assert_equal [size, size], [data.count("a"), data.count("A")]
    end
  end

  def test_parts_of_strings_and_frozen_strings_are_sent_as_they_are
    whole = ("0123456789" * 20_000).freeze
    data, = sent do |it|
      it.send_data(whole[5, 100_000])
      it.send_data(whole)
      it.send_data(whole[-7..])
    end
    assert_equal whole[5, 100_000] + whole + whole[-7..], data
  end

  def test_a_subclass_of_string_is_sent_as_its_bytes
    special = Class.new(String) { def length = 1 }
    data, counts = sent { |it| it.send_data(special.new("längere")) }
    assert_equal ["längere".b, 8], [data, counts]
  end

  def test_encodings_do_not_change_bytes
    texts = ["\u00fc".encode("UTF-16LE"), "\u00fc".encode("ISO-8859-1"), "\xff\xfe".b]
    data, = sent { |it| texts.each { |text| it.send_data(text) } }
    assert_equal texts.map(&:b).join, data
  end

  def test_strings_without_other_references_survive_the_garbage_collector
    data, = sent do |it|
      20.times { |i| it.send_data((i.to_s * 50_000).freeze) }
      GC.start
      Array.new(100) { "z" * 50_000 }.clear
    end
    assert_equal Array.new(20) { |i| i.to_s * 50_000 }.join.hash, data.hash
  end

  def test_many_small_sends_arrive_in_order
    data, = sent { |it| 20_000.times { |i| it.send_data("#{i}\n") } }
    assert_equal (0...20_000).to_a, data.lines.map(&:to_i)
  end

  def test_small_and_large_sends_arrive_in_order
    parts = Array.new(60) { |i| (i % 10).to_s * [1, 40_000, 16_384, 3, 200_000, 0][i % 6] }
    data, counts = sent { |it| parts.map { |part| it.send_data(perhaps_frozen(part)) } }
    assert_equal parts.map(&:bytesize), counts
    assert_equal parts.join.hash, data.hash
  end

  { "ten_megabytes" => false, "ten_frozen_megabytes" => true }.each do |name, frozen|
    define_method("test_#{name}_arrive_at_a_slow_reader") do
      all = Random.new(3).bytes(10_000_000)
      all.freeze if frozen
      conversation = nil
      reactor do
        port = server(post_init: ->(it) { it.send_data(all) })
        conversation = talk(port) do |socket|
          Array.new(100) { (sleep 0.001) && socket.read(100_000) }.join
        end
      end
      assert_equal Digest::SHA256.digest(all), Digest::SHA256.digest(conversation.value)
    end
  end

  def test_the_number_of_queued_bytes_is_known_and_falls_to_0
    sizes = []
    reactor do
      accepted = nil
      port = server(post_init: lambda { |it|
        accepted = it
        sizes << it.get_outbound_data_size << it.send_data("x" * 20_000_000) << it.get_outbound_data_size
      })
      talk(port) do |socket|
        socket.read(20_000_000)
        wait_until { accepted.get_outbound_data_size.zero? }
      end
    end
    assert_equal [0, 20_000_000, 20_000_000], sizes
  end

  def test_the_primitive_sends_the_first_bytes_of_a_string
    data, counts = sent { |it| [EM.send_data(it.signature, "abcdef", 3), EM.send_data(it.signature, "", 0)] }
    assert_equal ["abc", [3, 0]], [data, counts]
  end

  def test_the_primitive_takes_only_strings_and_numbers
    sent do |it|
      [nil, 42, :abc].each { |wrong| assert_raises(TypeError) { EM.send_data(it.signature, wrong, 1) } }
      assert_raises(TypeError) { EM.send_data("signature", "abc", 3) }
      assert_raises(TypeError) { EM.send_data(nil, "abc", 3) }
    end
  end

  def test_the_primitive_never_sends_more_than_the_string_has
    data, = sent do |it|
      [4, 4096, -1, 2**40].each do |length|
        EM.send_data(it.signature, "abc", length)
      rescue ArgumentError, RangeError
        nil
      end
    end
    assert_equal "", data.delete("abc")
  end

  def test_nothing_is_sent_to_an_unknown_signature
    assert_equal(-1, sent { EM.send_data(123_456_789, "abc", 3) }.last)
  end

  private

  # Frozen strings may be sent in another way than others.
  def perhaps_frozen(part)
    part.hash.even? ? part.dup.freeze : part.dup
  end
end
