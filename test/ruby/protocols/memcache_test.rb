# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# The client of memcached in an object without a connection: the commands that it sends, and how it handles the replies.

require "test_helper"
require_relative "../support/segmentation"

class MemcacheTest < Minitest::Test
  include Segmentation

  class Cache
    include EM::P::Memcache

    attr_reader :sent, :closed, :errors

    # Like users' classes, does not call super.
    def initialize
      @sent = []
      @errors = []
    end

    def send_data(data)
      @sent << data
    end

    def receive_error(text)
      @errors << text
    end

    def close_connection(*)
      @closed = true
      super
    end
  end

  def connected
    Cache.new.tap(&:connection_completed)
  end

  def test_commands_on_the_wire
    cache = connected
    cache.get("a") { nil }
    cache.get(:a, "b c") { nil }
    cache.get_hash("x") { nil }
    cache.set("a", 1) { nil }
    cache.set("a", "é", 60)
    cache.delete("a") { nil }
    cache.del("a")
    cache.add("a", "") { nil }
    cache.replace("a", "x")
    assert_equal ["get a\r\n", "get a b_c\r\n", "get x\r\n", "set a 0 0 1\r\n1\r\n", "set a 0 60 2 noreply\r\né\r\n".b, "delete a 0\r\n",
                  "delete a 0 noreply\r\n", "add a 0 0 0\r\n\r\n", "replace a 0 0 1 noreply\r\nx\r\n"], cache.sent
  end

  def test_commands_wait_for_the_connection_in_order
    cache = Cache.new
    answers = []
    cache.set("a", 1)
    cache.get("a") { |value| answers << value }
    assert_empty cache.sent
    cache.connection_completed
    assert_equal ["set a 0 0 1 noreply\r\n1\r\n", "get a\r\n"], cache.sent
    cache.receive_data("VALUE a 0 1\r\n1\r\nEND\r\n")
    assert_equal ["1"], answers
  end

  def test_replies_at_every_split
    input = "VALUE a 5 5\r\nEND\r\n\r\nVALUE c 0 14 77\r\nVALUE x 0 1\r\ny\r\nEND\r\n" \
            "STORED\r\nNOT_STORED\r\nEXISTS\r\nDELETED\r\nNOT_FOUND\r\nEND\r\nVALUE e 0 0\r\n\r\nEND\r\nSERVER_ERROR out of memory\r\n" \
            "VALUE \xFF 0 2\r\n\xC3\xA9\r\nEND\r\n".b
    assert_same_at_every_split(input) do |pieces|
      answers = []
      cache = connected
      ask_all(cache, answers)
      pieces.each { |piece| cache.receive_data(piece) }
      refute cache.closed
      assert_equal ["SERVER_ERROR out of memory"], cache.errors
      assert_equal ["END\r\n", nil, "VALUE x 0 1\r\ny", true, false, false, true, false, { d: nil }, "", [nil, nil], "\xC3\xA9".b], answers
      assert_equal Encoding::BINARY, answers.last.encoding
      answers
    end
  end

  def test_get_hash_has_the_keys_as_given
    answer = nil
    cache = connected
    cache.get_hash(:a, "b c", 3) { |hash| answer = hash }
    cache.receive_data("VALUE a 0 1\r\n1\r\nVALUE b_c 0 1\r\n2\r\nEND\r\n")
    assert_equal({ :a => "1", "b c" => "2", 3 => nil }, answer)
  end

  def test_the_same_key_requested_twice
    answer = nil
    cache = connected
    cache.get("a", "a", "b") { |*values| answer = values }
    cache.receive_data("VALUE a 0 1\r\n1\r\nVALUE a 0 1\r\n1\r\nEND\r\n")
    assert_equal ["1", "1", nil], answer
  end

  def test_an_error_ends_its_own_command_and_the_next_thousand_get_their_replies
    ["ERROR", "CLIENT_ERROR bad data chunk", "SERVER_ERROR object too large for cache", "NOT_STORED"].each do |error|
      cache = connected
      answers = []
      cache.set("big", "x") { |stored| answers << stored }
      1000.times { |i| cache.get("k#{i}") { |value| answers << value } }
      cache.receive_data("#{error}\r\n" + Array.new(1000) { |i| "VALUE k#{i} 0 #{i.to_s.size}\r\n#{i}\r\nEND\r\n" }.join)
      assert_equal [false, *(0...1000).map(&:to_s)], answers
    end
  end

  def test_an_error_among_values_gives_nil_for_all
    answers = nil
    cache = connected
    cache.get("a", "b") { |*values| answers = values }
    cache.receive_data("VALUE a 0 1\r\n1\r\nSERVER_ERROR out of memory writing get response\r\n")
    assert_equal [nil, nil], answers
  end

  # A reply in the wrong place cannot be interpreted.
  UNEXPECTED = {
    get: ["STORED\r\n", "DELETED\r\n", "VALUE b 0 1\r\n", "VALUE a 0 1\r\nxyz\r\n", "VALUE a 0 -1\r\n", "VALUE a 0\r\n", "hello\r\n", "\r\n",
          "VALUE a 0 99999999999999999999\r\n", "x" * 3000, "END \r\n", "VALUE b 0 1\r\n1\r\nEND\r\n"],
    set: ["END\r\n", "DELETED\r\n", "VALUE a 0 1\r\n1\r\n", "STORED2\r\n"],
    delete: ["STORED\r\n", "END\r\n"]
  }.freeze

  def test_unexpected_replies_close_the_connection
    UNEXPECTED.each do |command, replies|
      replies.each do |reply|
        cache = connected
        answers = []
        command == :set ? cache.set("a", 1) { |*a| answers << a } : cache.public_send(command, "a") { |*a| answers << a }
        cache.receive_data(reply + "VALUE a 0 1\r\n")
        assert_equal [true, 1], [cache.closed, cache.errors.size], "#{command}: #{reply[0, 60]}"
        cache.receive_data("VALUE a 0 1\r\n1\r\nEND\r\nSTORED\r\n")
        cache.unbind
        assert_equal [[command == :get ? nil : false]], answers
      end
    end
  end

  def test_a_reply_without_a_command_closes_the_connection
    ["END\r\n", "ERROR\r\n", "VALUE a 0 1\r\n1\r\n", "x"* 3000].each do |reply|
      cache = connected
      cache.receive_data(reply)
      assert cache.closed, reply[0, 60]
    end
  end

  def test_a_reply_that_arrived_before_its_command_is_not_used
    cache = connected
    answers = []
    cache.get("a") do |value|
      answers << value
      cache.get("b") { |other| answers << other }
    end
    cache.receive_data("END\r\nVALUE b 0 1\r\n1\r\nEND\r\n")
    assert_equal [nil], answers
    assert_equal ["a reply arrived before its command was sent"], cache.errors
    cache.unbind
    assert_equal [nil, nil], answers
  end

  def test_values_beyond_the_limit_close_the_connection
    cache = connected
    cache.max_value_bytes = 10
    answers = []
    2.times { cache.get("a") { |value| answers << value } }
    cache.receive_data("VALUE a 0 10\r\n0123456789\r\nEND\r\nVALUE a 0 11\r\n")
    assert cache.closed
    cache.unbind
    assert_equal ["0123456789", nil], answers
    assert_equal [32 << 20, 1], [Cache.new.max_value_bytes, Cache.new.reconnect_interval]
  end

  def test_an_error_after_a_command_without_reply_is_not_attributed_to_the_next
    cache = connected
    cache.set("a", 1)
    cache.receive_data("CLIENT_ERROR\r\n")
    refute cache.closed, "nobody can have been misled"
    answers = []
    cache.get("a") { |value| answers << value }
    cache.receive_data("ERROR\r\n")
    assert_empty answers
    assert cache.closed
    cache.unbind
    assert_equal [nil], answers
  end

  def test_an_error_is_attributed_again_after_a_reply
    cache = connected
    answers = []
    cache.set("a", 1)
    2.times { cache.get("a") { |value| answers << value } }
    cache.receive_data("END\r\nERROR\r\n")
    refute cache.closed
    assert_equal [nil, nil], answers
  end

  def test_keys_are_checked_by_one_rule_before_anything_is_sent
    bad = ["", "a\r\nflush_all", "a\n", "a\0", "a\x7f", "x" * 251, "é" * 126]
    bad.each do |key|
      cache = connected
      assert_raises(ArgumentError, key) { cache.get("good", key) { nil } }
      assert_raises(ArgumentError, key) { cache.get_hash(key) { nil } }
      %i[set add replace].each { |verb| assert_raises(ArgumentError, key) { cache.public_send(verb, key, 1) } }
      assert_raises(ArgumentError, key) { cache.delete(key) { nil } }
      assert_empty cache.sent
      cache.receive_data("END\r\n")
      assert cache.closed, "no request was left behind"
    end
  end

  def test_keys_of_250_bytes_and_high_bytes_are_allowed
    cache = connected
    ["x" * 250, "é" * 125, "\xFF\x80".b, "a\tb"].each { |key| cache.get(key.freeze) { nil } }
    assert_equal ["get #{'x' * 250}\r\n", "get #{'é' * 125}\r\n".b, "get \xFF\x80\r\n".b, "get a_b\r\n"], cache.sent
  end

  def test_arguments
    cache = connected
    assert_raises(ArgumentError) { cache.get("a") }
    assert_raises(ArgumentError) { cache.get_hash("a") }
    assert_raises(ArgumentError) { cache.get { nil } }
    [nil, "x", "1\r\nflush_all", 1 << 31].each do |time|
      assert_raises(ArgumentError) { cache.set("a", 1, time) }
      assert_raises(ArgumentError) { cache.delete("a", time) }
    end
    assert_empty cache.sent
  end

  def test_requests_in_flight_end_exactly_once_with_the_connection
    cache = connected
    answers = []
    cache.get("a", "b") { |*values| answers << values }
    cache.set("a", 1) { |stored| answers << stored }
    cache.delete("a") { |deleted| answers << deleted }
    cache.receive_data("VALUE a 0 5\r\n12")
    2.times { cache.unbind }
    assert_equal [[nil, nil], false, false], answers
  end

  def test_after_a_failure_blocks_are_called_at_once
    cache = Cache.new
    answers = []
    cache.get("a") { |value| answers << value }
    cache.unbind(Errno::ECONNREFUSED)
    cache.set("a", 1) { |stored| answers << stored }
    cache.delete("a")
    assert_equal [nil, false], answers
    assert_empty cache.sent
  end

  def test_a_long_value_in_small_pieces_takes_linear_time
    value = Random.new(1).bytes(32 << 20)
    piece = 4096
    answer = nil
    cache = connected
    cache.get("a") { |given| answer = given }
    cache.receive_data("VALUE a 0 #{value.bytesize}\r\n")
    # Copying the buffer for each piece would move 128 GiB.
    (0...value.bytesize).step(piece) { |start| cache.receive_data(value.byteslice(start, piece)) }
    cache.receive_data("\r\nEND\r\n")
    assert_equal value, answer
  end

  def test_constants
    memcache = EM::P::Memcache
    assert_equal %w[STORED END DELETED NOT_FOUND ERROR] + ["", "\r\n"],
                 [memcache::Cstored, memcache::Cend, memcache::Cdeleted, memcache::Cunknown, memcache::Cerror, memcache::Cempty, memcache::Cdelimiter]
    assert_operator memcache::ParserError, :<, StandardError
  end

  WORDS = ["VALUE a 0 3\r\n", "abc", "\r\n", "END\r\n", "STORED\r\n", "DELETED\r\n", "NOT_FOUND\r\n", "ERROR\r\n", "SERVER_ERROR x\r\n",
           "VALUE ", "a ", "9", "-1", "\0", "\xFF", " "].map(&:b).freeze

  def test_fuzz
    400.times do |seed|
      random = Random.new(seed)
      asked = answered = 0
      cache = connected
      60.times do
        case random.rand(5)
        when 0 then (asked += 1) && cache.get("a") { answered += 1 }
        when 1 then (asked += 1) && cache.set("a", 1) { answered += 1 }
        when 2 then (asked += 1) && cache.delete("a") { answered += 1 }
        end
        cache.receive_data(random.rand(8).zero? ? random.bytes(10) : Array.new(random.rand(5)) { WORDS.sample(random: random) }.join.freeze)
      end
      cache.unbind
      assert_equal asked, answered, "seed #{seed}"
    end
  end

  private

  def ask_all(cache, answers)
    cache.get("a", "b", "c") { |*values| answers.concat(values) }
    3.times { cache.set("a", 1) { |stored| answers << stored } }
    2.times { cache.delete("a") { |deleted| answers << deleted } }
    cache.get_hash(:d) { |hash| answers << hash }
    cache.get("e") { |value| answers << value }
    cache.get("f", "g") { |*values| answers << values }
    cache.get("\xFF".b) { |value| answers << value }
  end
end
