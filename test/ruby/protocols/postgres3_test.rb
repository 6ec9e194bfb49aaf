# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# A complete connection to a PostgreSQL server that follows a script: login, queries, unsolicited messages, and servers
# that violate the protocol. Tests run without a reactor where none is needed.

require "test_helper"
require "support/segmentation"

class Postgres3Test < Minitest::Test
  include Segmentation

  # A connection without a network, which records its output and whether it was closed.
  class Wire < EM::P::Postgres3
    def self.make
      allocate.tap { |wire| wire.operation_timeout = Float::INFINITY }
    end

    def errors_heard
      @errors_heard ||= []
    end

    def sent
      @sent ||= []
    end

    def closed?
      @closed || false
    end

    def send_data(data)
      sent << data
    end

    def close_connection(*)
      @closed = true
    end

    def receive_error(reason)
      errors_heard << reason
    end
  end

  OK = [0].pack("N")
  SCRAM_OFFER = "#{[10].pack('N')}SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0".b

  def self.wire(type, payload)
    "#{type}#{[payload.bytesize + 4].pack('N')}".b + payload.b
  end

  READY = wire("Z", "I")
  LOGIN = wire("R", OK) + wire("S", "server_version\x0015\0") + wire("K", "\0\0\0\x07abcd") + READY
  NOTICE = wire("N", "SNOTICE\0C00000\0Mhear\0\0")
  ERROR = wire("E", "SERROR\0VERROR\0C42601\0Msyntax\0\0")
  ANSWER = wire("T", "\0\x01a\0".b + [0, 0, 23, 4, -1, 0].pack("Ns>Ns>l>s>")) + wire("D", "\0\x01\0\0\0\x011") + wire("C", "SELECT 1\0") + READY

  def test_login_and_a_query_are_the_same_at_every_split
    stream = LOGIN + NOTICE + ANSWER
    outcome = assert_same_at_every_split(stream) { |pieces| conversation(pieces) }
    assert_equal [[true], [true, [["1"]], ["a"], "SELECT 1", []], ["hear"], { "server_version" => "15" }], outcome
  end

  def test_a_response_that_arrived_before_its_query_is_refused
    wire, = connecting(nil)
    wire.receive_data(LOGIN)
    second = nil
    wire.query("one").callback { second = wire.query("two") }
    wire.receive_data(ANSWER + ANSWER)
    assert_equal [false, "Unexpected message from database", []], outcome_of(second)
    assert_predicate wire, :closed?
  end

  def test_a_second_challenge_is_refused
    wire, outcome = scram_up_to_the_proof
    nonce = wire.sent[1][/r=(.*)/, 1]
    wire.receive_data(packet("R", "\0\0\0\x0br=#{nonce}more,s=AAAA,i=1"))
    assert_equal [[false, "the server sent a second SASL challenge"]], outcome
  end

  def test_repeated_copy_requests_get_one_reply_and_fail_the_query
    wire, = connecting(nil)
    wire.receive_data(LOGIN)
    query = wire.query("copy t from stdin")
    before = wire.sent.size
    wire.receive_data(packet("G", "\0\0\0") * 1000)
    assert_equal before + 1, wire.sent.size
    assert_equal false, outcome_of(query).first
  end

  def test_the_request_as_sent
    wire = Wire.make
    wire.connect("shop", "anna")
    wire.receive_data(LOGIN)
    wire.query("select 1")
    wire.disconnect
    assert_equal ["\0\0\0\x21\0\x03\0\0user\0anna\0database\0shop\0\0", "Q\0\0\0\x0dselect 1\0", "X\0\0\0\x04"], wire.sent
  end

  def test_clear_text_and_md5_passwords
    { "\0\0\0\x03" => "secret", "\0\0\0\x05salt" => "md5#{md5("#{md5('secretanna')}salt")}" }.each do |request, answer|
      wire, outcome = connecting("secret")
      wire.receive_data(packet("R", request))
      assert_equal packet("p", "#{answer}\0"), wire.sent.last
      wire.receive_data(LOGIN)
      assert_equal [[true]], outcome
    end
  end

  def test_unsupported_and_impossible_authentication_is_reported
    { "\0\0\0\x03" => "no password specified", "\0\0\0\x05salt" => "no password specified", SCRAM_OFFER => "no password specified",
      "\0\0\0\x02" => "unsupported authentification: Kerberos V5", "\0\0\0\x06" => "unsupported authentification: SCM",
      "\0\0\0\x07" => "unsupported authentification: GSSAPI", "\0\0\0\x63" => "unsupported authentification: 99",
      "\0\0\0\x0ax" => "unterminated text in a message", "\0\0\0\x05sal" => "no password specified" }.each do |request, reason|
      assert_refused(reason, packet("R", request), password: nil)
    end
    assert_refused("unsupported authentification: SCRAM-SHA-512, OTHER", packet("R", "\0\0\0\x0aSCRAM-SHA-512\0OTHER\0\0"))
  end

  def test_a_server_that_skips_its_part_of_scram_is_refused
    offer = packet("R", SCRAM_OFFER)
    proof = "the server did not prove its identity"
    assert_refused(proof, offer, packet("R", OK))
    wire, outcome = scram_up_to_the_proof
    wire.receive_data(LOGIN)
    assert_equal [[false, proof]], outcome
    [["r=", "SCRAM: the server's challenge is malformed"], ["r=x,s=AAAA,i=1", "SCRAM: the server's nonce does not extend ours"]].each do |challenge, reason|
      assert_refused(reason, offer, packet("R", "\0\0\0\x0b#{challenge}"))
    end
  end

  def test_a_wrong_signature_and_too_much_work_are_refused
    wire, outcome = scram_up_to_the_proof
    wire.receive_data(packet("R", "\0\0\0\x0cv=#{['x' * 32].pack('m0')}") + LOGIN)
    assert_equal [[false, "SCRAM: the server's signature is wrong"]], outcome
    assert_predicate wire, :closed?
    _, outcome = scram_up_to_the_proof(iterations: 100_001)
    assert_equal [[false, "SCRAM: 100001 iterations are too many"]], outcome
  end

  def test_a_second_authentication_is_refused
    offer = packet("R", SCRAM_OFFER)
    clear = packet("R", "\0\0\0\x03")
    second = "the server demanded a second authentication"
    [[offer, clear], [clear, offer], [clear, clear], [offer, offer]].each { |pair| assert_refused(second, *pair) }
    assert_refused("authentication is already complete", packet("R", OK), clear)
    %w[b c].each { |kind| assert_refused("the server continues a SASL exchange that has not begun", packet("R", [kind.hex].pack("N") + "v=x")) }
  end

  def test_only_allowed_authentication_methods_are_used
    wire, outcome = connecting("secret", require_auth: [:scram_sha_256])
    wire.receive_data(packet("R", "\0\0\0\x03"))
    assert_equal [[false, "authentication password is not allowed"]], outcome
    assert_equal 1, wire.sent.size
    wire, outcome = connecting("secret", require_auth: [:scram_sha_256])
    wire.receive_data(LOGIN)
    assert_equal [[false, "authentication none is not allowed"]], outcome
  end

  def test_unknown_authentication_methods_are_refused
    assert_raises(ArgumentError) { Wire.make.require_auth = [:scram] }
    assert_raises(ArgumentError) { Wire.make.require_auth = nil }
  end

  def test_a_server_that_is_ready_before_authentication_is_refused
    assert_refused("the server was ready before it had authenticated the user", READY)
    assert_refused('unhandled message type "T"', ANSWER)
    assert_refused('unhandled message type "v"', packet("v", "\0\0\0\0\0\0\0\0"))
    assert_refused("ERROR: syntax (42601)", ERROR)
    assert_refused("message of impossible length 3", "R\0\0\0\x03")
    assert_refused("message of 1212501072 bytes is too long", "HTTP/1.1 400".sub("TTP/", "HELP"))
  end

  def test_one_operation_at_a_time
    wire = Wire.make
    assert_equal [false, "not connected", []], outcome_of(wire.query("x"))
    wire.connect(nil, "anna")
    busy = [false, "Operation already in progress"]
    assert_equal [[*busy, []], busy], [outcome_of(wire.query("x")), outcome_of(wire.connect(nil, "anna"))]
    wire.receive_data(LOGIN)
    assert_equal [false, "already connected"], outcome_of(wire.connect(nil, "anna"))
    wire.query("select 1")
    assert_equal [false, "Operation already in progress", []], outcome_of(wire.query("x"))
    assert_equal 2, wire.sent.size
  end

  def test_invalid_arguments_change_nothing
    wire = Wire.make
    [["a\0", "b"], ["a", "b\0"], %W[a b c\0], ["a", nil], ["a", ""]].each { |arguments| assert_raises(ArgumentError) { wire.connect(*arguments) } }
    wire.connect(nil, "anna")
    wire.receive_data(LOGIN)
    assert_raises(ArgumentError) { wire.query("select '\0'") }
    assert_equal 1, wire.sent.size
    assert_nil outcome_of(wire.query("select 1"))
  end

  def test_a_callback_may_send_the_next_query
    wire = logged_in
    rows = []
    again = lambda do |_, result, _|
      rows << result.rows
      wire.query("more").callback(&again) if rows.size < 3
    end
    wire.query("first").callback(&again)
    3.times { wire.receive_data(ANSWER) }
    assert_equal [[["1"]]] * 3, rows
  end

  def test_errors_are_listed_and_the_next_query_gets_its_own_result
    wire = logged_in
    outcome = note(wire.query("bad"))
    wire.receive_data(ERROR + READY)
    sent, result, errors = outcome.first
    assert_equal [true, [], nil, "42601"], [sent, result.rows, result.cmd_tag, errors[0].sqlstate]
    outcome = note(wire.query("good"))
    wire.receive_data(ANSWER)
    assert_equal [[["1"]], []], [outcome[0][1].rows, outcome[0][2]]
  end

  def test_notices_notifications_and_parameters_are_accepted_at_any_time
    extra = NOTICE + packet("S", "a\0b\0") + packet("A", "\0\0\0\x01c\0p\0")
    wire = Wire.make
    heard = []
    wire.notice_processor = ->(notice) { heard << notice.message }
    wire.notification_processor = ->(notification) { heard << notification.payload }
    wire.receive_data(extra)
    wire.connect(nil, "anna")
    outcomes = [extra + LOGIN + extra, ERROR + extra + READY].map do |stream|
      wire.receive_data(extra + stream)
      note(wire.query("x"))
    end
    wire.receive_data(ANSWER)
    assert_equal [true, true], outcomes.map { |outcome| outcome.dig(0, 0) }
    assert_equal ["hear", "p"] * 6, heard
    assert_equal "b", wire.params["a"]
  end

  def test_notices_without_processors_are_ignored
    wire = logged_in
    wire.receive_data(NOTICE + packet("A", "\0\0\0\x01c\0p\0"))
    refute_predicate wire, :closed?
  end

  def test_an_unsolicited_reply_closes_the_connection
    [ANSWER, READY, packet("R", OK), packet("x", "")].each do |answer|
      wire = logged_in
      2.times { wire.receive_data(answer + ANSWER) }
      assert_equal [true, ["Unexpected message from database"]], [wire.closed?, wire.errors_heard]
      assert_equal [false, "lost connection", []], outcome_of(wire.query("x"))
    end
  end

  def test_an_error_while_idle_is_reported_and_closes_the_connection
    wire = logged_in
    wire.notice_processor = ->(error) { @heard = error }
    wire.receive_data(ERROR)
    assert_equal ["42601", true, ["ERROR: syntax (42601)"]], [@heard.sqlstate, wire.closed?, wire.errors_heard]
  end

  def test_copy_is_refused_in_both_directions
    wire = logged_in
    outcome = note(wire.query("copy"))
    wire.receive_data(packet("G", "\0\0\0"))
    assert_equal packet("f", "COPY FROM STDIN is not supported\0"), wire.sent.last
    wire.receive_data(ERROR + packet("H", "\0\0\0") + packet("d", "x") + packet("c", "") + packet("C", "COPY 1\0") + READY)
    assert_equal %w[42601 0A000], outcome[0][2].map(&:sqlstate)
    refute_predicate wire, :closed?
  end

  def test_the_end_of_the_connection_ends_a_pending_operation_once
    wire, outcome = connecting("x")
    2.times { wire.unbind(Errno::ECONNREFUSED) }
    assert_equal [[false, "lost connection"]], outcome
    wire = logged_in
    outcome = note(wire.query("x"))
    wire.receive_data(ERROR)
    wire.unbind
    assert_equal [1, false, "lost connection", "42601"], [outcome.size, *outcome[0].first(2), outcome[0][2][0].sqlstate]
    assert_equal [false, "lost connection", []], outcome_of(wire.query("x"))
    assert_equal [false, "lost connection"], outcome_of(wire.connect(nil, "anna"))
  end

  def test_a_truncated_response_does_not_affect_the_next_connection
    wire = logged_in
    wire.receive_data(ANSWER.byteslice(0, 3))
    wire.unbind
    wire.signature = 2
    outcome = note(wire.connect(nil, "anna"))
    wire.receive_data(LOGIN)
    assert_equal [[true]], outcome
  end

  def test_limits
    wire = logged_in(max_message_bytes: 1000)
    outcome = note(wire.query("x"))
    wire.receive_data("D#{[1001].pack('N')}")
    assert_equal [[false, "message of 1001 bytes is too long", []]], outcome
    wire = logged_in(max_result_bytes: 1000)
    outcome = note(wire.query("x"))
    100.times { wire.receive_data(ANSWER.delete_suffix(READY)) }
    assert_equal [false, "result is larger than 1000 bytes"], outcome[0].first(2)
    wire = logged_in(max_parameters: 3)
    5.times { |i| wire.receive_data(packet("S", "p#{i % 2}\0b\0")) }
    refute_predicate wire, :closed?
    wire.receive_data(packet("S", "p2\0b\0"))
    assert_equal ["more than 3 parameters"], wire.errors_heard
  end

  def test_the_number_of_errors_is_bounded
    wire = logged_in(max_result_bytes: 5000)
    outcome = note(wire.query("x"))
    1000.times { wire.receive_data(ERROR) }
    assert_equal "result is larger than 5000 bytes", outcome[0][1]
  end

  def test_the_password_is_not_kept
    wire, = connecting("a secret")
    wire.receive_data(packet("R", SCRAM_OFFER))
    refute_includes wire.inspect, "secret"
    wire, = connecting("a secret")
    wire.receive_data(LOGIN)
    refute_includes Marshal.dump(wire.instance_variables.map { |it| wire.instance_variable_get(it) }.grep(String)), "secret"
    assert_nil wire.instance_variable_get(:@authentication)
  end

  # Valid conversations with bytes changed, removed and duplicated: each operation has at most one outcome.
  def test_mutated_and_random_data_never_raise
    parts = [LOGIN, NOTICE, ERROR, ANSWER, READY, packet("G", "\0\0\0"), packet("R", SCRAM_OFFER), packet("A", "\0\0\0\x01c\0p\0")]
    random = Random.new(5)
    1500.times do
      wire, outcome = connecting("x")
      outcome << nil
      wire.receive_data(LOGIN) if random.rand < 0.7
      wire.query("x").callback { |*it| outcome << it }
      stream = parts.sample(random.rand(1..5), random: random).join
      random.rand(4).times { stream.setbyte(random.rand(stream.bytesize), random.rand(256)) }
      stream = random.bytes(100) if random.rand < 0.1
      random_pieces(stream, random).each { |piece| wire.receive_data(piece) }
      wire.unbind
      assert_equal 2, outcome.compact.size
    end
  end

  private

  def packet(type, payload)
    self.class.wire(type, payload)
  end

  def connecting(password, **options)
    wire = Wire.make
    options.each { |name, value| wire.send(:"#{name}=", value) }
    [wire, note(wire.connect(nil, "anna", password))]
  end

  def logged_in(**options)
    wire, outcome = connecting(nil, **options)
    wire.receive_data(LOGIN)
    assert_equal [[true]], outcome
    wire
  end

  def scram_up_to_the_proof(iterations: 1)
    wire, outcome = connecting("x")
    wire.receive_data(packet("R", SCRAM_OFFER))
    nonce = wire.sent.last[/r=(.*)/, 1]
    wire.receive_data(packet("R", "\0\0\0\x0br=#{nonce}more,s=AAAA,i=#{iterations}"))
    [wire, outcome]
  end

  def assert_refused(reason, *messages, password: "x")
    wire, outcome = connecting(password)
    messages.each { |message| wire.receive_data(message) }
    assert_equal [[[false, reason]], true], [outcome, wire.closed?]
  end

  def conversation(pieces)
    wire, outcome = connecting(nil)
    notices = []
    wire.notice_processor = ->(notice) { notices << notice.message }
    answer = []
    pieces = pieces.dup
    wire.instance_variable_get(:@operation).callback do
      wire.query("x").callback { |sent, result, errors| answer.push(sent, result.rows, result.fields.map(&:name), result.cmd_tag, errors) }
    end
    without_foresight(pieces).each { |piece| wire.receive_data(piece) }
    [outcome.first, answer, notices, wire.params]
  end

  # The response to a query that follows the login cannot be in the same piece.
  def without_foresight(pieces)
    left = LOGIN.bytesize
    pieces.flat_map do |piece|
      cut = left.clamp(0, piece.bytesize)
      left -= piece.bytesize
      [piece.byteslice(0, cut), piece.byteslice(cut..)].reject(&:empty?)
    end
  end

  def note(deferrable)
    [].tap { |outcome| deferrable.callback { |*arguments| outcome << arguments } }
  end

  def outcome_of(deferrable)
    note(deferrable).first
  end

  def md5(text)
    Digest::MD5.hexdigest(text)
  end
end
