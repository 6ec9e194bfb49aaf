# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "test_helper"
require "support/segmentation"

# Postgres3 against servers that are a script of bytes.
class Postgres3Test < ReactorTest
  include Segmentation

  OK = ["R", [0].pack("N")].freeze
  READY = %w[Z I].freeze

  # The client without a connection: what it sends is kept.
  class Client < EM::P::Postgres3
    attr_reader :sent, :closed

    def self.new(*)
      allocate.tap { |client| client.send(:start) }
    end

    def send_data(data)
      @sent << data
      data.bytesize
    end

    def close_connection
      @closed += 1
    end

    private

    def start
      @sent = []
      @closed = 0
    end
  end

  def wire(type, payload = "")
    type.b + [payload.bytesize + 4].pack("N") + payload.b
  end

  def wires(*list)
    list.map { |type, payload| wire(type, payload || "") }.join
  end

  def row(*values)
    ["D", [values.size].pack("n") + values.map { |value| value ? [value.bytesize].pack("N") + value.b : [-1].pack("l>") }.join]
  end

  def columns(*names)
    ["T", [names.size].pack("n") + names.map { |name| "#{name}\0".b + [16_384, 1, 23, 4, -1, 0].pack("NnNnl>n") }.join]
  end

  def error(severity: "ERROR", code: "22012", message: "division by zero")
    ["E", "S#{severity}\0C#{code}\0M#{message}\0\0"]
  end

  # An operation's timeout needs a reactor.
  def with_client(login: true)
    reactor do
      client = Client.new
      if login
        client.connect("db", "ann")
        client.receive_data(wires(OK, READY))
        client.sent.clear
      end
      yield client
      EM.stop
    end
  end

  def outcome_of(deferrable)
    outcome = nil
    deferrable.callback { |*values| outcome = values }
    deferrable.errback { |*values| outcome = [:failed, *values] }
    outcome
  end

  # @return [Array] what a connect comes to, and the client
  def login(*answers, password: nil)
    outcome = client = nil
    with_client(login: false) do |fresh|
      client = fresh
      deferrable = client.connect("db", "ann", password)
      answers.each { |answer| client.receive_data(answer.respond_to?(:call) ? answer.call(client) : wires(answer)) }
      outcome = outcome_of(deferrable)
    end
    [outcome, client]
  end

  def test_the_startup_message
    _, client = login
    assert_equal ["\0\0\0\x1e\0\3\0\0user\0ann\0database\0db\0\0".b], client.sent
  end

  def test_a_trusting_server
    outcome, = login(OK, ["S", "client_encoding\0UTF8\0"], ["K", [1, 2].pack("NN")], READY)
    assert_equal [true], outcome
  end

  def test_a_password_in_the_clear
    outcome, client = login(["R", [3].pack("N")], OK, READY, password: "gr\u00fcn")
    assert_equal [true], outcome
    assert_equal wire("p", "gr\u00fcn\0"), client.sent.last
  end

  def test_a_password_by_md5
    _, client = login(["R", "#{[5].pack('N')}abcd"], OK, READY, password: "secret")
    expected = "md5#{Digest::MD5.hexdigest("#{Digest::MD5.hexdigest('secretann')}abcd")}"
    assert_equal wire("p", "#{expected}\0"), client.sent.last
  end

  def test_a_password_that_is_missing
    [3, 5, 10].each do |kind|
      rest = { 3 => "", 5 => "salt", 10 => "SCRAM-SHA-256\0\0" }[kind]
      outcome, client = login(["R", [kind].pack("N") + rest])
      assert_equal [false, "no password specified"], outcome
      assert_equal 1, client.closed
    end
  end

  def test_authentication_that_is_not_supported
    [2, 4, 6, 7, 9, 99].each do |kind|
      assert_equal [false, "unsupported authentification"], login(["R", [kind].pack("N")], password: "x").first
    end
    assert_equal [false, "unsupported authentification"], login(["R", "#{[10].pack('N')}OTHER\0\0"], password: "x").first
  end

  def test_a_server_that_refuses
    outcome, client = login(error(severity: "FATAL", code: "28P01", message: "password authentication failed"))
    assert_equal [false, "FATAL\t28P01\tpassword authentication failed"], outcome
    assert_equal 1, client.closed
  end

  def test_a_server_that_is_ready_without_authentication_is_not_believed
    assert_equal [false, "the server skipped the authentication"], login(READY).first
  end

  def test_a_result_is_the_same_wherever_it_is_cut
    input = wires(columns("a", "b"), row("1", nil), row("", "x\0y\xff".b), ["C", "SELECT 2\0"], READY)
    with_client do |client|
      rows, names, types, tag, errors = assert_same_at_every_split(input) do |pieces|
        deferrable = client.query("select")
        pieces.each { |piece| client.receive_data(piece) }
        done, result, errors = outcome_of(deferrable)
        assert done
        [result.rows, result.fields.map(&:name), result.fields.map(&:type_oid), result.cmd_tag, errors]
      end
      assert_equal [["1", nil], ["", "x\0y\xff".b]], rows
      assert_equal %w[a b], names
      assert_equal [23, 23], types
      assert_equal "SELECT 2", tag
      assert_empty errors
    end
  end

  def test_errors_of_sql_come_with_a_result
    with_client do |client|
      deferrable = client.query("select 1/0")
      client.receive_data(wires(error, READY))
      done, result, errors = outcome_of(deferrable)
      assert_equal [true, [], nil], [done, result.rows, result.cmd_tag]
      assert_equal ["ERROR", "22012", "division by zero"], errors.first.field_values
      assert_equal ["ERROR", "22012", "division by zero"], [errors.first.severity, errors.first.code, errors.first.message]
    end
  end

  def test_notices_parameters_and_notifications_are_welcome_at_any_time
    seen = []
    with_client do |client|
      client.notice_processor = ->(notice) { seen << notice.message }
      client.notification_processor = ->(*notification) { seen << notification }
      extras = wires(["N", "Mhello\0\0"], ["S", "TimeZone\0UTC\0"], ["A", "#{[7].pack('N')}channel\0payload\0"])
      client.receive_data(extras)
      deferrable = client.query("select")
      client.receive_data(extras + wires(columns("a")) + extras + wires(row("1"), READY))
      assert_equal [["1"]], outcome_of(deferrable)[1].rows
      assert_equal 0, client.closed
    end
    assert_equal ["hello", %W[channel payload] + [7]] * 3, seen
  end

  def test_one_operation_at_a_time
    with_client do |client|
      first = client.query("one")
      assert_equal [false, "Operation already in progress"], outcome_of(client.query("two"))
      assert_equal [false, "Operation already in progress"], outcome_of(client.connect("db", "ann"))
      assert_equal 1, client.sent.size
      client.receive_data(wires(READY))
      assert_equal true, outcome_of(first).first
    end
  end

  def test_a_query_may_follow_in_the_callback
    with_client do |client|
      tags = []
      client.query("one").callback do |_, result|
        tags << result.cmd_tag
        client.query("two").callback { |_, second| tags << second.cmd_tag }
      end
      client.receive_data(wires(["C", "ONE\0"], READY, ["C", "TWO\0"], READY))
      assert_equal %w[ONE TWO], tags
    end
  end

  def test_the_end_of_the_connection_ends_the_operation_and_all_later_ones
    with_client do |client|
      deferrable = client.query("select")
      client.receive_data(wires(columns("a"), row("1")) + "D".b)
      client.unbind(Errno::ECONNRESET)
      assert_equal [false, "lost connection"], outcome_of(deferrable)
      assert_equal [false, "lost connection"], outcome_of(client.query("select"))
    end
  end

  def test_a_timeout_fails_without_arguments_closes_and_hears_no_more
    outcome = nil
    client = nil
    reactor do
      client = Client.new
      client.operation_timeout = 0.01
      client.connect("db", "ann").callback { flunk }.errback do |*values|
        outcome = values
        client.receive_data(wires(OK, READY))
        EM.stop
      end
    end
    assert_equal [], outcome
    assert_equal 1, client.closed
  end

  def test_copying_is_refused_and_the_connection_goes_on
    with_client do |client|
      deferrable = client.query("copy t from stdin; copy t to stdout")
      client.receive_data(wires(["G", "\0\0\0"]))
      assert_equal "f", client.sent.last[0]
      client.receive_data(wires(error, ["H", "\0\0\0"], %w[d data], ["c"], ["C", "COPY 1\0"], READY))
      done, result, errors = outcome_of(deferrable)
      assert_equal [true, [], "COPY 1", 1], [done, result.rows, result.cmd_tag, errors.size]
    end
  end

  def test_what_a_caller_gives_cannot_end_a_message_early
    with_client do |client|
      assert_raises(ArgumentError) { client.query("select 1\0; drop table t") }
      assert_raises(ArgumentError) { client.connect("db\0", "ann") }
      assert_empty client.sent
      client.query("fine")
    end
  end

  def test_malformed_messages_end_the_operation_and_close
    bad = [wire("T", "\0\1name"), wire("D", "\0\1\0\0\0\5abc"), wire("D", [1, -2].pack("nl>")), "D\0\0\0\3".b,
           "D\xff\xff\xff\xff".b, wire("E", "Mno end"), wire("C", "no end"), wire("D", "\xff\xff")]
    bad.each do |bytes|
      with_client do |client|
        deferrable = client.query("select")
        client.receive_data(bytes + wires(READY))
        assert_equal false, outcome_of(deferrable).first, bytes.inspect
        assert_equal 1, client.closed
      end
    end
  end

  def test_a_message_beyond_the_limit_ends_the_operation_before_it_arrives
    with_client do |client|
      client.max_message_size = 100
      deferrable = client.query("select")
      client.receive_data("D".b + [105].pack("N"))
      assert_equal [false, "message too long"], outcome_of(deferrable)
    end
  end

  def test_unexpected_messages_close_an_idle_connection
    with_client do |client|
      client.receive_data(wires(row("1")))
      assert_equal 1, client.closed
      assert_equal [false, "lost connection"], outcome_of(client.query("select"))
    end
  end

  def test_a_large_value_arrives_in_small_pieces
    value = "v" * 5_000_000
    with_client do |client|
      deferrable = client.query("select")
      pieces_of(wires(columns("a"), row(value), READY), 4096).each { |piece| client.receive_data(piece) }
      assert_equal [[value]], outcome_of(deferrable)[1].rows
    end
  end

  def test_noise_and_mutations_never_raise
    valid = wires(columns("a", "b"), row("1", nil), ["N", "Mx\0\0"], ["A", "#{[7].pack('N')}c\0p\0"], ["C", "X\0"], error, READY)
    with_client(login: false) do
      400.times do |seed|
        random = Random.new(seed)
        client = Client.new
        client.connect("db", "ann", "x")
        client.receive_data(wires(OK, READY)) if seed.odd?
        deferrable = seed.odd? ? client.query("select") : nil
        random_pieces(mutated(valid, random), random).each { |piece| client.receive_data(piece) }
        client.unbind
        assert_includes [true, false], outcome_of(deferrable).first if deferrable
      end
    end
  end

  private

  def mutated(bytes, random)
    return random.bytes(500) if random.rand(4).zero?

    bytes = bytes.dup
    random.rand(1..4).times do
      at = random.rand(bytes.bytesize)
      random.rand(2).zero? ? bytes.setbyte(at, random.rand(256)) : bytes.slice!(at, random.rand(1..5))
    end
    bytes
  end
end
