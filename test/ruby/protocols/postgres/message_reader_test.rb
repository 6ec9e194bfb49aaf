# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# The server's stream of bytes is split into messages, which are read field by field.

require "test_helper"
require "support/segmentation"

class PostgresMessageReaderTest < Minitest::Test
  include Segmentation

  Client = EM::P::Postgres3
  Reader = Client::MessageReader
  ProtocolError = Client::ProtocolError

  def test_messages_are_the_same_at_every_split
    messages = [["R", "\0\0\0\0"], ["Z", "I"], ["D", "x" * 300], ["I", ""], ["A", "\0\xff\n".b], ["C", "SELECT 1\0"]]
    stream = messages.map { |type, payload| wire(type, payload) }.join
    assert_equal(messages, assert_same_at_every_split(stream) { |pieces| read(pieces) })
  end

  def test_a_message_that_is_not_complete_waits
    assert_equal [], read([wire("D", "abc").chop])
  end

  def test_impossible_lengths_are_refused_as_soon_as_they_are_known
    [0, 1, 3].each { |length| assert_raises(ProtocolError) { read(["D#{[length].pack('N')}"]) } }
    assert_raises(ProtocolError) { read(["D\xff\xff\xff\xff".b]) }
  end

  def test_the_limit_counts_all_but_the_type
    reader = Reader.new(1000)
    reader.trust
    assert_equal 1, feed(reader, wire("D", "x" * 996)).size
    assert_raises(ProtocolError) { feed(reader, wire("D", "x" * 997).byteslice(0, 5)) }
  end

  def test_long_messages_are_refused_before_login_and_for_short_types
    long = [Reader::SHORT_BYTES + 1].pack("N")
    "RSKZENDTAx".each_char { |type| assert_raises(ProtocolError) { feed(Reader.new(1 << 20), type + long) } }
    "RSKZCIG".each_char { |type| assert_raises(ProtocolError) { feed(trusting, type + long) } }
    "DTdENA".each_char { |type| assert_equal [], feed(trusting, type + long) }
  end

  # Copying the buffer for each piece would move 13 GB.
  def test_a_message_of_five_megabytes_in_small_pieces
    stream = wire("D", "x" * (5 << 20))
    assert_equal [["D", 5 << 20]], read(pieces_of(stream, 1000)).map { |type, payload| [type, payload.bytesize] }
  end

  def test_messages_after_an_exception_of_the_block_are_not_lost
    reader = trusting
    error = Class.new(StandardError)
    stream = wire("Z", "I") + wire("C", "a\0") + wire("Z", "T").chop
    assert_raises(error) { reader.feed(stream) { raise error } }
    assert_equal [["C", "a\0"], ["Z", "T"]], feed(reader, "T")
  end

  def test_yielded_payloads_do_not_change
    got = feed(trusting, wire("C", "abc\0") + wire("D", "x"))
    got.each { |type, payload| assert_equal [Encoding::BINARY, Encoding::BINARY], [type.encoding, payload.encoding] }
    payload = got[0][1]
    payload << "more"
    assert_equal "x", got[1][1]
  end

  def test_payloads_are_never_read_beyond_their_end
    payload = Client::Payload.new("\x01\x02abc\0d".b)
    assert_equal 258, payload.int16
    assert_equal "abc", payload.string
    [:int16, :int32, :string, -> { payload.take(2) }, -> { payload.take(-1) }, :finish].each do |read|
      assert_raises(ProtocolError) { read.is_a?(Symbol) ? payload.send(read) : read.call }
    end
    assert_equal "d", payload.rest
    assert_nil payload.finish
    assert_raises(ProtocolError) { payload.byte }
  end

  def test_negative_counts_are_refused
    assert_equal 32_767, Client::Payload.new("\x7f\xff".b).count
    assert_raises(ProtocolError) { Client::Payload.new("\xff\xff".b).count }
  end

  def test_null_differs_from_the_empty_string_and_values_are_binary
    row = row_of(nil, "", "a\0b", "\xff\xe4".b, "x" * 70_000)
    assert_equal [[nil, "", "a\0b", "\xff\xe4".b, "x" * 70_000]], result { |it| it.add_row(row) }.rows
  end

  def test_rows_with_wrong_lengths_are_refused
    good = row_of("ab", nil)
    [good.chop, "#{good}x", good.sub("\0\0\0\x02".b, "\0\0\0\x03".b), good.sub("\xff\xff\xff\xff".b, "\xff\xff\xff\xfe".b), "\0", "",
     "\xff\xff".b, "\0\x01\x7f\xff\xff\xff".b].each do |payload|
      assert_raises(ProtocolError, payload.inspect) { Client::Result.new.add_row(payload) }
    end
  end

  def test_fields
    payload = "\0\x01name\0".b << [70_000, 3, 4_000_000_000, -1, 11, 0].pack("Ns>Ns>l>s>")
    field = Client::Field.parse_all(payload).first
    assert_equal ["name", 70_000, 3, 4_000_000_000, -1, 11, 0], field.to_a
    assert_equal %i[name oid attr_nr type_oid typlen atttypmod formatcode], field.members
    [payload.chop, "#{payload}x", "\0\x02".b + payload.byteslice(2..)].each { |wrong| assert_raises(ProtocolError) { Client::Field.parse_all(wrong) } }
  end

  def test_errors_have_their_fields_in_order
    error = Client::ErrorResponse.parse("SFEHLER\0VERROR\0C22012\0Mdivision by zero\0P7\0\0")
    assert_equal ["FEHLER", "VERROR", "C22012", "Mdivision by zero", "P7"], error.field_values
    assert_equal ["ERROR", "22012", "division by zero", nil, nil, "7"],
                 [error.severity, error.sqlstate, error.message, error.detail, error.hint, error["P"]]
    assert_equal "ERROR: division by zero (22012)", error.to_s
    ["", "S", "Sx\0", "\0x"].each { |wrong| assert_raises(ProtocolError) { Client::ErrorResponse.parse(wrong) } }
  end

  def test_notifications
    assert_equal [7, "news", "it rains"], Client::Notification.parse("\0\0\0\x07news\0it rains\0").to_a
    assert_raises(ProtocolError) { Client::Notification.parse("\0\0\0\x07news\0it rains") }
  end

  def test_statements_keep_their_rows_apart
    result = result do |it|
      it.complete("INSERT 0 1\0")
      2.times { |i| it.add_row(row_of(i.to_s)) && it.complete("SELECT 1\0") }
      it.add_row(row_of("cut short"))
    end
    assert_equal [[], [["0"]], [["1"]]], result.statements.map(&:rows)
    assert_equal [["0"], ["1"], ["cut short"]], result.rows
  end

  def test_a_result_has_a_limit
    limited = Client::Result.new(10_000)
    added = 0
    assert_raises(ProtocolError) { 1000.times { limited.add_row(row_of("x")) && added += 1 } }
    assert_operator added, :>, 50
    assert_raises(ProtocolError) { 1000.times { Client::Result.new(100).complete("#{'x' * 100}\0") } }
  end

  def test_requests
    requests = Client::Requests
    assert_equal "\0\0\0\x1f\0\x03\0\0user\0anna\0database\0ab\0\0", requests.startup("anna", "ab")
    assert_equal "\0\0\0\x13\0\x03\0\0user\0anna\0\0", requests.startup("anna", nil)
    assert_equal "Q\0\0\0\x08\xC3\xA4x\0".b, requests.query("äx")
    assert_equal "p\0\0\0\x08abc\0", requests.password("abc")
    assert_equal "\0\0\0\x10\x04\xd2\x16\x2e\0\0\0\x07abcd".b, requests.cancel(7, "abcd")
    [-> { requests.startup("a\0b", nil) }, -> { requests.startup("a", "b\0") }, -> { requests.query("a\0") }].each do |request|
      assert_raises(ArgumentError, &request)
    end
  end

  def test_random_data_raises_no_other_error
    parsers = [Client::Field.method(:parse_all), Client::ErrorResponse.method(:parse), Client::Notification.method(:parse),
               ->(bytes) { Client::Result.new.add_row(bytes) }, ->(bytes) { Client::Result.new.complete(bytes) }]
    random = Random.new(3)
    3000.times do
      noise = random.bytes(random.rand(60)).gsub(/[\x08-\xff]/n) { random.rand(3).zero? ? "\0" : _1 }
      parsers.each { |parser| quietly { parser.call(noise) } }
      quietly { read([noise]) }
    end
  end

  private

  def quietly
    yield
  rescue ProtocolError
    nil
  end

  def wire(type, payload)
    "#{type}#{[payload.bytesize + 4].pack('N')}".b + payload.b
  end

  def row_of(*values)
    [values.size].pack("n") + values.map { |value| value ? [value.bytesize].pack("N") + value.b : "\xff\xff\xff\xff".b }.join
  end

  def result
    result = Client::Result.new
    yield result
    result.finish
  end

  def trusting
    Reader.new(1 << 28).tap(&:trust)
  end

  def read(pieces)
    reader = trusting
    pieces.flat_map { |piece| feed(reader, piece) }
  end

  def feed(reader, piece)
    got = []
    reader.feed(piece) { |type, payload| got << [type, payload] }
    got
  end
end
