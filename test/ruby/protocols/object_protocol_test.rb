# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# ObjectProtocol: objects arrive complete and in order at every split, with any serializer; malicious input is refused.

require "test_helper"
require "support/parsed"
require "yaml"

class ObjectProtocolTest < ReactorTest
  include Parsed

  class Objects < Parsed::Recorder
    include EM::P::ObjectProtocol
    attr_writer :serializer

    def serializer
      @serializer || super
    end

    def receive_object(object)
      @events << [:receive_object, object]
      @script[:receive_object]&.call(self, object)
    end

    records :receive_error
  end

  class Silent
    include EM::P::ObjectProtocol

    def initialize(_argument)
    end

    def close_connection
      @closed = true
    end
  end

  class Trusted < Objects
    def serializer
      Marshal
    end
  end

  Thing = Struct.new(:name)

  PLAIN = [nil, true, [1, -1, 2**70, 1.5], { a: 1, "b" => :c, 3 => { "é" => [] } }, "é", "\xFF".b, "", []].freeze

  def test_hashes_with_symbol_and_string_keys_survive_a_round_trip
    answers = []
    ponger = Module.new do
      include EM::P::ObjectProtocol
      define_method(:receive_object) { |hash| send_object(hash.merge("you said" => hash[:say] || hash["say"])) }
    end
    pinger = Module.new do
      include EM::P::ObjectProtocol
      define_method(:post_init) { send_object({ say: "hello" }) }
      define_method(:receive_object) do |hash|
        answers << hash
        answers.size == 1 ? send_object({ "say" => :bye }) : EM.stop
      end
    end
    reactor { EM.connect("127.0.0.1", port_of(EM.start_server("127.0.0.1", 0, ponger)), pinger) }
    assert_equal [{ say: "hello", "you said" => "hello" }, { "say" => :bye, "you said" => :bye }], answers
  end

  def test_objects_arrive_whole_and_in_order_at_every_split
    input = framed(*PLAIN)
    assert_equal PLAIN.map { |object| [:receive_object, object] }, events_at_every_split(input, -> { Objects.new })
  end

  def test_a_frame_is_a_length_of_four_bytes_and_the_serialized_object
    assert_equal "\0\0\0\x06".b + Marshal.dump("é".b), framed("é".b)
    assert_equal "\0\0\0\x06[\"é\"]".b, framed(["é"], serializer: EM::P::ObjectProtocol::JSON)
  end

  def test_other_serializers
    assert_equal [[:receive_object, { "a" => ["é", nil, 1.5] }]], exchanged({ a: ["é", nil, 1.5] }, EM::P::ObjectProtocol::JSON)
    assert_equal [[:receive_object, { "a" => [1, nil] }]], exchanged({ "a" => [1, nil] }, YAML)
    assert_equal [[:receive_object, Thing.new("x")]], exchanged(Thing.new("x"), Marshal)
  end

  def test_json_creates_no_objects_of_the_senders_choice
    text = '{"json_class":"Range","a":[1,2,false]}'
    assert_equal({ "json_class" => "Range", "a" => [1, 2, false] }, EM::P::ObjectProtocol::JSON.load(text))
  end

  def test_objects_of_any_class_are_received_only_with_marshal
    input = framed(Thing.new("x"), 1)
    assert_equal [[:receive_error, "object not loaded: Struct refused: not plain data"]], events_at_every_split(input, -> { Objects.new })
    assert_equal [[:receive_object, Thing.new("x")], [:receive_object, 1]], events_at_every_split(input, -> { Trusted.new })
  end

  def test_data_that_cannot_be_loaded_closes_the_connection
    [[Objects, ""], [Objects, "\x04\x08"], [Objects, "rubbish"], [Trusted, ""], [Trusted, "rubbish"], [Trusted, "\x04\x08o:\x08FooX\0"]].each do |kind, bytes|
      events = events_at_every_split(framed(1) + [bytes.bytesize].pack("N") + bytes.b + framed(2), -> { kind.new }) { |it| assert_equal 1, it.closed }
      assert_equal [[:receive_object, 1], :receive_error], [events.first, events.last.first]
      assert_equal 2, events.size
    end
  end

  def test_broken_json_closes_the_connection
    ["{", "\xFF", "", "[" * 200 + "]" * 200].each do |text|
      parser = Objects.new.tap { |it| it.serializer = EM::P::ObjectProtocol::JSON }
      parser.receive_data([text.bytesize].pack("N") + text.b)
      assert_equal [[:receive_error], 1], [parser.events.map(&:first), parser.closed], text
    end
  end

  def test_an_object_that_is_too_large_is_refused_before_it_arrives
    assert_equal 32 * 1024 * 1024, Objects.new.max_object_size
    make = -> { Objects.new.tap { |it| it.max_object_size = 10 } }
    ["\0\0\0\x0B", "\xFF\xFF\xFF\xFF".b].each do |length|
      events = events_at_every_split(framed("abc".b) + length.b + framed(1), make) { |it| assert_equal 1, it.closed }
      assert_equal [[:receive_object, "abc"], [:receive_error, "overlength object"]], events
    end
    assert_equal [[:receive_object, "abc"]], events_at_every_split(framed("abc".b), -> { Objects.new.tap { |it| it.max_object_size = 10 } })
  end

  def test_an_object_that_cannot_be_serialized_is_refused_and_nothing_is_sent
    huge = Struct.new(:bytesize).new(1 << 32)
    parser = Objects.new.tap { |it| it.serializer = Struct.new(:dumped) { define_method(:dump) { |_| dumped } }.new(huge) }
    assert_raises(ArgumentError) { parser.send_object(1) }
    assert_raises(TypeError) { Objects.new.send_object(proc {}) }
    assert_empty parser.sent
  end

  def test_the_serializers_string_is_not_changed_whatever_its_encoding
    text = "é".freeze
    parser = Objects.new.tap { |it| it.serializer = Struct.new(:dumped) { define_method(:dump) { |_| dumped } }.new(text) }
    parser.send_object(1)
    assert_equal "\0\0\0\x02é".b, parser.sent
  end

  def test_an_exception_in_a_callback_neither_loses_nor_repeats_later_data
    parser = Objects.new(receive_object: ->(_, object) { raise "oops" if object == 2 })
    assert_raises(RuntimeError) { parser.receive_data(framed(1, 2, 3)) }
    parser.receive_data(framed(4))
    assert_equal [1, 2, 3, 4], parser.events.map(&:last)
    assert_equal 0, parser.closed
  end

  def test_data_that_a_callback_passes_to_receive_data_is_parsed_last
    parser = Objects.new(receive_object: ->(it, object) { it.receive_data(framed(3)) if object == 1 })
    parser.receive_data(framed(1, 2))
    assert_equal [1, 2, 3], parser.events.map(&:last)
  end

  def test_empty_data_and_nil_change_nothing
    parser = Objects.new
    framed(1).each_char { |byte| parser.receive_data(byte) || parser.receive_data("") || parser.receive_data(nil) }
    assert_equal [[:receive_object, 1]], parser.events
  end

  def test_a_reconnected_object_starts_with_an_empty_buffer
    [framed("abc")[0, 7], "\0\0", "\xFF\xFF\xFF\xFF".b].each do |rest|
      parser = Objects.new
      parser.receive_data(rest)
      parser.unbind(nil)
      parser.receive_data(framed(1))
      assert_equal [:receive_object, 1], parser.events.last
    end
  end

  def test_callbacks_need_not_be_defined_nor_initialize_call_super
    Silent.new(1).receive_data(framed(1) + "\xFF\xFF\xFF\xFF".b)
  end

  def test_a_hundred_thousand_objects_in_one_piece
    count = 0
    Objects.new(receive_object: ->(it, _) { (count += 1) && it.events.clear }).receive_data(framed(nil) * 100_000)
    assert_equal 100_000, count
  end

  def test_a_malformed_frame_closes_only_its_own_connection
    received = []
    protocol = Module.new do
      include EM::P::ObjectProtocol
      define_method(:receive_object) { |object| (received << object) && send_object(object) }
    end
    reactor do
      port = port_of(EM.start_server("127.0.0.1", 0, protocol))
      talk(port) do |good|
        bad = peer(port)
        bad.write(framed(Thing.new("x")))
        assert_nil bad.read(1)
        good.write(framed("still here"))
        assert_equal framed("still here"), good.read(framed("still here").bytesize)
      end
    end
    assert_equal ["still here"], received
  end

  def test_a_callback_that_suspends_its_fiber_does_not_block_later_data
    parser = Objects.new(receive_object: ->(_, object) { Fiber.yield if object == 1 })
    fiber = Fiber.new { parser.receive_data(framed(1, 2)) }
    fiber.resume
    parser.receive_data(framed(3))
    assert_equal [1, 2, 3], parser.events.map(&:last)
    fiber.resume
    assert_equal 3, parser.events.size
  end

  private

  def framed(*objects, serializer: Marshal)
    sender = Objects.new.tap { |it| it.serializer = serializer }
    objects.each { |object| sender.send_object(object) }
    sender.sent
  end

  def exchanged(object, serializer)
    input = framed(object, serializer: serializer)
    events_at_every_split(input, -> { Objects.new.tap { |it| it.serializer = serializer } }, seeds: 3)
  end
end
