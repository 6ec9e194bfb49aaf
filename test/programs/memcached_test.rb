# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# Memcache with memcached.

require "programs_helper"

class MemcachedTest < ProgramTest
  BINARY = "\0END\r\nVALUE k 0 3\r\nabc\r\n\xFF\r\nSTORED\r\n".b.freeze

  # It takes a second to end on SIGTERM.
  def teardown
    @server.signal(:KILL)
  end

  def test_set_get_delete
    with_cache do |cache, note|
      cache.set(:a, "1", &note)
      cache.add(:a, "2", &note)
      cache.replace(:none, "2", &note)
      cache.get(:a, :none, "a", &note)
      cache.get_hash(:a, "none", &note)
      cache.delete(:none, &note)
      cache.delete(:a, &note)
      cache.get(:a, &note)
      cache.add(:a, "3", &note)
      cache.replace(:a, "4", 60, &note)
      cache.get(:a, &last(note))
    end
    assert_equal [[true], [false], [false], ["1", nil, "1"], [{ :a => "1", "none" => nil }], [false], [true], [nil], [true], [true], ["4"]], @notes
  end

  def test_values_are_bytes
    values = ["", "\r\n", BINARY, "é", Random.new(1).bytes(100_000), "x" * 1_000_000]
    with_cache do |cache, note|
      values.each_with_index { |value, i| cache.set("é #{i}", value) }
      cache.get(*values.each_index.map { |i| "é #{i}" }, &last(note))
    end
    assert_equal [values.map(&:b)], @notes
  end

  def test_values_that_are_too_large_are_refused_and_other_commands_get_their_replies
    large = "x" * (2 << 20)
    with_cache do |cache, note|
      1000.times do |i|
        cache.set("k#{i}", i, &note)
        cache.set("large", large, &note) if (i % 250).zero?
        cache.set("large", large) if (i % 250) == 1
      end
      cache.delete("k500", 7, &note)
      1000.times { |i| cache.get("k#{i}", &(i == 999 ? last(note) : note)) }
    end
    expected = (0...1000).flat_map { |i| (i % 250).zero? ? [[true], [false]] : [[true]] }
    assert_equal expected + [[false]] + (0...1000).map { |i| [i.to_s] }, @notes
  end

  def test_values_expire
    with_cache do |cache, note|
      cache.set(:a, 1, -1, &note)
      cache.get(:a, &last(note))
    end
    assert_equal [[true], [nil]], @notes
  end

  def test_it_continues_after_a_restart_of_the_server
    with_cache(reconnect_interval: 0.02) do |cache, note|
      cache.set(:a, 1)
      cache.get(:a) do |value|
        note.call(value)
        @server.signal(:KILL)
        cache.define_singleton_method(:unbind) do |reason = nil|
          super(reason)
          @asked ||= cache.get(:a, :b) { |*values| note.call(*values) && EM.stop } || true
        end
        EM.defer(-> { @server.wait }, ->(_) { start(@server.port) })
      end
    end
    assert_equal [["1"], [nil, nil]], @notes
  end

  def test_names_of_the_server
    with_cache("localhost") { |cache, note| cache.get(:a, &last(note)) }
    assert_equal [[nil]], @notes
  end

  private

  def start(port)
    user = Process.uid.zero? ? "memcache" : nil
    @server = start_program(port: port, user: user) do |number, _|
      ["memcached", "-l", "127.0.0.1", "-p", number.to_s, "-U", "0", "-m", "64"]
    end
  end

  # Runs the block with a client and a block that records its arguments.
  def with_cache(host = "127.0.0.1", reconnect_interval: 1)
    start(free_port)
    @notes = []
    reactor do
      cache = EM::P::Memcache.connect(host, @server.port)
      cache.reconnect_interval = reconnect_interval
      yield cache, ->(*values) { @notes << values }
    end
  end

  def last(note)
    lambda do |*values|
      note.call(*values)
      EM.stop
    end
  end
end
