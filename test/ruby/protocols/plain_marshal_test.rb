# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# PlainMarshal loads all plain data of Marshal and nothing else, however it is disguised.

require "test_helper"

class PlainMarshalTest < ReactorTest
  Plain = EM::P::ObjectProtocol::PlainMarshal
  Thing = Struct.new(:name)

  # Records that an object of the sender's choice was created.
  class Trap
    class << self
      attr_accessor :sprung
    end

    def marshal_dump
      1
    end

    def marshal_load(_)
      Trap.sprung = true
    end

    def hash
      Trap.sprung = true
      super
    end
  end

  shared = "shared"
  list = [shared, shared]
  cycle = []
  cycle << cycle

  PLAIN = [nil, true, false, 0, 1, -1, 122, 123, -123, -124, 255, 256, -256, -257, 65_535, 65_536, -65_537, 2**30 - 1, 2**30, -2**30, -2**30 - 1,
           2**62, -2**70, 2**1000, 0.0, -1.5, 1e300, Float::INFINITY, "", "a", "é", "\xFF".b, "a".encode("UTF-16LE"), "é".encode("ISO-8859-1"),
           ["é", "ü", "ё".encode("KOI8-R"), "ж".encode("KOI8-R")], :a, :é, :"", [:a, :a, :é, :é, "é", :b], [], [[], [nil, [1]]], {},
           { a: 1, "b" => 2, 3 => nil, nil => { 1.5 => [] }, [1, ["x"]] => 1 }, Hash.new(5).merge("a" => 1), list, { shared => list, 1 => list },
           ["x" * 1000, 1.5, 1.5, 2**80, list], [1] * 1000].freeze

  EVIL = [Trap.new, [Trap.new], { Trap.new => 1 }, { 1 => Trap.new }, Hash.new(Trap.new), Thing.new(1), Trap, Kernel, /a/, (1..2), Time.at(0), 1r, 1i,
          Class.new(String) { PlainMarshalTest.const_set(:Text, self) }.new, Class.new(Array) { PlainMarshalTest.const_set(:List, self) }.new,
          (+"a").tap { |it| it.instance_variable_set(:@a, 1) }, {}.compare_by_identity, [].extend(Comparable), Exception.new].freeze

  def test_it_writes_what_marshal_writes
    PLAIN.each { |object| assert_equal Marshal.dump(object), Plain.dump(object) }
  end

  def test_plain_data_is_restored_with_its_value_class_and_encoding
    PLAIN.each do |object|
      loaded = Plain.load(Marshal.dump(object))
      object.nil? ? assert_nil(loaded) : assert_equal(object, loaded)
      assert_equal [object.class, object.inspect], [loaded.class, loaded.inspect]
      assert_equal object.encoding, loaded.encoding if object.is_a?(String)
    end
  end

  def test_lists_may_contain_themselves
    loaded = Plain.load("\x04\x08[\x06@\x00")
    assert_same loaded, loaded.first
  end

  def test_other_data_is_refused_before_any_object_is_created
    EVIL.each do |object|
      Trap.sprung = false
      [object, [1, [object]], { a: object }].each { |it| assert_refused(Marshal.dump(it)) }
      refute Trap.sprung, object.class.name
    end
  end

  def test_truncated_data_and_trailing_data_are_refused
    PLAIN.each do |object|
      bytes = Marshal.dump(object)
      (bytes.bytesize > 200 ? [0, 1, 2, 100] : (0...bytes.bytesize)).each { |length| assert_refused(bytes.byteslice(0, length)) }
      assert_refused("#{bytes}0")
    end
  end

  def test_impossible_lengths_allocate_no_memory
    ["[\x04\xFF\xFF\xFF\x3F", "{\x04\xFF\xFF\xFF\x3F", "\"\x04\xFF\xFF\xFF\x3F", "l+\x04\xFF\xFF\xFF\x3F", "[\xFA", "\"\xFC\0\0\0\0", "@\x06", "@\xFA", ";\0", ";\xFA",
     "}\x04\xFF\xFF\xFF\x3F", ":\x04\xFF\xFF\xFF\x7F", "I\"\x06a\x04\xFF\xFF\xFF\x3F"].each { |bytes| assert_refused("\x04\x08".b + bytes.b) }
  end

  def test_too_many_values_are_refused
    assert_equal 999_999, Plain.load(Marshal.dump([0] * 999_999)).size
    error = assert_raises(ArgumentError) { Plain.load(Marshal.dump([0] * 1_000_000)) }
    assert_match(/more than 1000000 values/, error.message)
  end

  def test_deep_nesting_is_refused
    nest = ->(depth) { depth.times.reduce(1) { |inner, _| [inner] } }
    assert_equal nest[100], Plain.load(Marshal.dump(nest[100]))
    assert_refused(Marshal.dump(nest[101]))
    assert_refused("\x04\x08".b + "[\x06" * 1_000_000 + "0")
    assert_refused("\x04\x08".b + "{\x06" * 1_000_000 + "0")
  end

  # Each list contains the previous one twice: hashing the last one takes 2 ** 60 steps.
  def test_keys_that_are_slow_to_hash_are_refused
    laughs = 60.times.reduce([1]) { |inner, _| [inner, inner] }
    assert_refused("\x04\x08{\x06".b + Marshal.dump(laughs).byteslice(2..) + "i\x06")
    assert_refused(Marshal.dump([laughs, { nil => 1 }]).sub("{\x060".b, "{\x06@\x06".b))
    assert_equal 2, Plain.load(Marshal.dump(laughs)).size
  end

  # As keys, NaNs all have the same hash and are equal to nothing.
  def test_nan_as_a_key_is_refused
    nans = Array.new(3) { Float::NAN.dup }
    [{ Float::NAN => 1 }, { [1, Float::NAN] => 1 }, { { 1 => Float::NAN } => 1 }, [nans, { nans[0] => 1 }]].each { |object| assert_refused(Marshal.dump(object)) }
    assert_refused("\x04\x08{\x06f\x0Anan\0x0".b)
    assert_predicate Plain.load(Marshal.dump({ 1 => Float::NAN }))[1], :nan?
  end

  def test_links_in_keys_may_repeat_short_texts_but_not_long_ones
    text = "x" * 100_000
    assert_refused(Marshal.dump([text, 2**800_000, { [text] * 3000 => 1 }]))
    objects = Array.new(5000) { { "name" => 1, [text[0, 40]] => text } }
    assert_equal objects, Plain.load(Marshal.dump(objects))
  end

  def test_deeply_nested_keys_are_refused
    nest = ->(depth) { depth.times.reduce(1) { |inner, _| { inner => nil } } }
    assert_equal nest[4], Plain.load(Marshal.dump(nest[4]))
    assert_refused(Marshal.dump(nest[5]))
    assert_equal 1, Plain.load(Marshal.dump({ 1 => { 2 => { 3 => { 4 => { 5 => nest[4] } } } } })).size
  end

  def test_texts_may_have_no_instance_variable_but_their_encoding
    ["I\"\x06a\x06:\x07@aiT", "I\"\x06a\x07:\x06ET:\x06FT", "[\x07:\x07@aiI\"\x06a\x06;\0T", "I\"\x06a\x06:\x0Dencoding\"\x08abc", "I\"\x06a\x00",
     "I:\x06a\x06:\x07@aiT", "I[\0\x06:\x06ET", "I\"\x06a\x06:\x06Eo:\x06A\0"].each { |bytes| assert_refused("\x04\x08".b + bytes.b) }
  end

  def test_input_is_not_changed_whatever_its_encoding
    bytes = Marshal.dump(["é"]).force_encoding("UTF-8").freeze
    assert_equal ["é"], Plain.load(bytes)
  end

  def test_other_formats_are_refused
    ["\x04\x090", "\x03\x080", "{}", "--- 1\n"].each { |bytes| assert_refused(bytes) }
  end

  def test_mutated_data_raises_no_other_error_and_creates_no_other_object
    600.times do |seed|
      random = Random.new(seed)
      bytes = Marshal.dump([PLAIN, EVIL].sample(random: random).sample(3, random: random))
      (1 + random.rand(3)).times { bytes.setbyte(random.rand(bytes.bytesize), random.rand(2).zero? ? random.rand(256) : bytes.getbyte(random.rand(bytes.bytesize))) }
      assert_plain_or_refused(bytes)
    end
  end

  def test_random_data_raises_no_other_error
    types = "0TFi@;:I\"fl[{}oSucmUeC/dM+-\0\1\x06\x07\x08E".b.chars
    600.times do |seed|
      random = Random.new(seed)
      assert_plain_or_refused("\x04\x08".b + Array.new(60) { types.sample(random: random) }.join)
    end
  end

  private

  def assert_refused(bytes)
    assert_raises(ArgumentError, bytes.byteslice(0, 50).inspect) { Plain.load(bytes) }
  end

  def assert_plain_or_refused(bytes)
    loaded = Plain.load(bytes)
    assert plain?(loaded), "#{loaded.class} of #{bytes.inspect}"
  rescue ArgumentError
    pass
  end

  def plain?(object, depth = 0)
    case object
    when Array then depth > 9 || object.all? { |it| plain?(it, depth + 1) }
    when Hash then depth > 9 || object.all? { |pair| plain?(pair, depth + 1) }
    else [NilClass, TrueClass, FalseClass, Integer, Float, String, Symbol].include?(object.class)
    end
  end
end
