# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# Postgres3 with PostgreSQL 15. All tests share one server, because creating it takes a while.

require "programs_helper"
require_relative "../support/postgres_server"

class PostgresTest < ProgramTest
  Client = EM::P::Postgres3
  # Seconds; long enough for a busy machine.
  PATIENCE = 50

  def before_setup
    @server = PostgresServer.running
    super
  end

  PostgresServer::PASSWORDS.except("secure").each do |user, password|
    define_method("test_the_user_#{user}_logs_in_with_its_password") do
      assert_equal [[[user]]], [log_in(user, password) { |db| ask(db, "select current_user") }.rows]
    end
  end

  def test_each_user_authenticates_as_the_server_is_configured
    { "clear" => :password, "hashed" => :md5, "scram" => :scram_sha_256, "postgres" => :none }.each do |user, method|
      password = PostgresServer::PASSWORDS[user]
      assert_equal [true], connect_outcome(user, password) { |db| db.require_auth = [method] }
      assert_equal false, connect_outcome(user, password) { |db| db.require_auth = Client::Authentication::METHODS - [method] }.first
    end
  end

  def test_scram_accepts_another_unicode_form_of_the_password
    assert_equal [true], connect_outcome("scram", "pencil ix x")
  end

  def test_a_wrong_password_is_reported_with_the_servers_message
    %w[clear hashed scram].each do |user|
      expected = "FATAL: password authentication failed for user \"#{user}\" (28P01)"
      assert_equal [false, expected], connect_outcome(user, "wrong")
    end
  end

  def test_an_unknown_user_or_database_and_a_missing_password_are_reported
    assert_equal [false, "no password specified"], connect_outcome("scram", nil)
    assert_match(/FATAL: no pg_hba.conf entry for .* \(28000\)/, connect_outcome("nobody", "x").last)
    assert_equal [false, 'FATAL: database "none" does not exist (3D000)'], connect_outcome("postgres", nil, database: "none")
  end

  VERIFYING = { hostname: "localhost", ca_pem: Certificates.root.cert }.freeze

  def test_a_user_who_may_log_in_by_tls_only
    password = PostgresServer::PASSWORDS["secure"]
    assert_match(/no pg_hba.conf entry/, connect_outcome("secure", password).last)
    %i[prefer require verify_full].each do |mode|
      assert_equal [true], connect_by_tls("secure", password, mode, mode == :verify_full ? VERIFYING : {}), mode
    end
  end

  def test_the_servers_certificate_must_be_for_the_host_and_of_a_known_authority
    { { hostname: "example.com" } => /\ATLS failed: .*host name/,
      { ca_pem: Certificates.self_signed("Other", ca: true).cert } => /\ATLS failed: .*not trusted/ }.each do |other, message|
      is_connected, text = connect_by_tls("postgres", nil, :verify_full, VERIFYING.merge(other))
      refute is_connected
      assert_match message, text
    end
  end

  def test_much_data_by_tls
    reactor do
      db = another
      db.sslmode = :require
      db.connect("postgres", "postgres").callback do
        ask(db, "select i, 'row ' || i from generate_series(1, 100000) i") { |result| note_and_stop(result.rows) }
      end
    end
    assert_equal ["100000", "row 100000"], @noted.last
  end

  def test_a_query_is_cancelled_by_tls
    reactor do
      db = another
      db.sslmode = :require
      db.connect("postgres", "postgres").callback do
        db.query("select pg_sleep(60)").callback { |_, _, errors| note_and_stop(errors.map(&:sqlstate)) }
        cancel_when_asleep(db)
      end
    end
    assert_equal ["57014"], @noted
  end

  def connect_by_tls(user, password, mode, options)
    connect_outcome(user, password) do |db|
      db.sslmode = mode
      db.ssl_options = options
    end
  end

  def test_the_unix_domain_socket
    reactor do
      db = EM.connect_unix_domain(@server.socket, Client)
      db.connect("postgres", "postgres").callback { |*outcome| note_and_stop(outcome) }
    end
    assert_equal [true], @noted
  end

  def test_rows_fields_and_tag
    result = with_db { |db| ask(db, "select 1 as one, 'zwei' as \"zwölf\", null as nothing, '' as empty") }
    assert_equal [["1", "zwei", nil, ""]], result.rows
    assert_equal ["one", "zwölf".b, "nothing", "empty"], result.fields.map(&:name)
    assert_equal [23, 25, 25, 25], result.fields.map(&:type_oid)
    assert_equal "SELECT 1", result.cmd_tag
    assert_equal Encoding::BINARY, result.rows[0][1].encoding
  end

  def test_columns_of_a_table_name_their_table
    field = with_db { |db| ask(db, "create temp table t (a varchar(7)); select a from t") }.fields.first
    assert_equal [1, 1043, -1, 11, 0], [field.attr_nr, field.type_oid, field.typlen, field.atttypmod, field.formatcode]
    assert_operator field.oid, :>, 0
  end

  def test_an_sql_error_has_its_fields_and_the_connection_continues
    with_db do |db|
      db.query("select 1/0").callback do |sent, result, errors|
        @noted = [sent, result.rows, result.cmd_tag, errors.map(&:to_s), errors[0].sqlstate, errors[0].field_values.first(2)]
        ask(db, "select 'on'") { |next_result| (@noted << next_result.rows) && EM.stop }
      end
    end
    assert_equal [true, [], nil, ["ERROR: division by zero (22012)"], "22012", %w[ERROR VERROR], [["on"]]], @noted
  end

  def test_several_statements_have_separate_results
    result = with_db { |db| ask(db, "select 1; create temp table t (a int); insert into t values (1), (2); select a, a + 1 as b from t; select 7") }
    assert_equal [["1"], %w[1 2], %w[2 3], ["7"]], result.rows
    assert_equal ["SELECT 1", "CREATE TABLE", "INSERT 0 2", "SELECT 2", "SELECT 1"], result.statements.map(&:cmd_tag)
    assert_equal [[["1"]], [], [], [%w[1 2], %w[2 3]], [["7"]]], result.statements.map(&:rows)
    assert_equal %w[a b], result.statements[3].fields.map(&:name)
  end

  def test_an_empty_query_is_no_error
    with_db { |db| db.query("").callback { |sent, result, errors| note_and_stop([sent, result.rows, result.cmd_tag, errors]) } }
    assert_equal [true, [], nil, []], @noted
  end

  def test_notices_go_to_the_processor
    notices = []
    with_db do |db|
      db.notice_processor = ->(notice) { notices << notice.to_s }
      ask(db, "do $$ begin raise notice 'one'; raise warning 'two'; end $$")
    end
    assert_equal ["NOTICE: one (00000)", "WARNING: two (01000)"], notices
  end

  def test_parameters_and_transaction_status
    with_db do |db|
      ask(db, "set application_name = 'here'; begin") do
        @noted = [db.params["application_name"], db.params["client_encoding"], db.transaction_status]
        ask(db, "nonsense", errors: 1) { note_and_stop(@noted << db.transaction_status) }
      end
    end
    assert_equal ["here", "UTF8", :open, :failed], @noted
  end

  def test_a_hundred_thousand_rows
    result = with_db { |db| ask(db, "select i, 'row ' || i from generate_series(1, 100000) i") }
    assert_equal 100_000, result.rows.size
    assert_equal ["100000", "row 100000"], result.rows.last
    assert_equal "SELECT 100000", result.cmd_tag
  end

  def test_a_value_of_five_megabytes_in_both_directions
    value = "ä☃x" * (5 << 20 >> 2)
    result = with_db { |db| ask(db, "select '#{value}' as v, length('#{value}')") }
    assert_equal value.b, result.rows[0][0]
    assert_equal value.length.to_s, result.rows[0][1]
  end

  def test_copy_is_refused_and_the_connection_continues
    with_db do |db|
      ask(db, "create temp table t (a int); copy t from stdin", errors: 1) do |_, in_errors|
        ask(db, "copy (select generate_series(1, 1000)) to stdout", errors: 1) do |_, out_errors|
          ask(db, "select 1") { |result| note_and_stop([in_errors[0].to_s, out_errors[0].to_s, result.rows]) }
        end
      end
    end
    assert_equal ["ERROR: COPY from stdin failed: COPY FROM STDIN is not supported (57014)",
                  "ERROR: COPY TO STDOUT is not supported (0A000)", [["1"]]], @noted.map { |it| it.is_a?(String) ? it.lines.first.chomp : it }
  end

  def test_notifications_reach_an_idle_connection
    with_db do |db|
      db.notification_processor = ->(notification) { @noted = [notification.channel, notification.payload, notification.pid] }
      sent = false
      ask(db, "listen news") do
        other = another
        other.connect("postgres", "postgres").callback { ask(other, "notify news, 'it rains'") { sent = true } }
      end
      as_soon_as(-> { sent && @noted }) { EM.stop }
    end
    assert_equal ["news", "it rains"], @noted.first(2)
    assert_operator @noted.last, :>, 0
  end

  def test_a_killed_connection_ends_the_pending_query
    with_db do |db|
      db.query("select pg_sleep(60)").callback { |sent, reason, errors| note_and_stop([sent, reason, errors.map(&:sqlstate)]) }
      other = another
      other.connect("postgres", "postgres").callback { other.query(kill_when_asleep(db.backend_pid)) }
    end
    assert_equal [false, "lost connection", ["57P01"]], @noted
  end

  def test_a_killed_idle_connection_reports_the_error_and_refuses_queries
    with_db do |db|
      db.notice_processor = ->(error) { @noted = [error.sqlstate] }
      db.define_singleton_method(:unbind) { |reason = nil| super(reason) || query("select 1").callback { |*outcome| EM.stop || (@lost = outcome) } }
      @db = db
      other = another
      other.connect("postgres", "postgres").callback { ask(other, "select pg_terminate_backend(#{db.backend_pid})") { nil } }
    end
    assert_equal ["57P01"], @noted
    assert_equal [false, "lost connection", []], @db.instance_variable_get(:@lost)
  end

  def test_a_query_is_cancelled
    [-> { another }, -> { EM.connect_unix_domain(@server.socket, Client) }].each do |connecting|
      reactor do
        db = connecting.call
        db.connect("postgres", "postgres").callback do
          db.query("select pg_sleep(60)").callback { |_, _, errors| ask(db, "select 2") { |result| note_and_stop([errors.map(&:sqlstate), result.rows]) } }
          cancel_when_asleep(db)
        end
      end
      assert_equal [["57014"], [["2"]]], @noted
    end
  end

  def test_after_a_timeout_the_connection_is_closed
    with_db do |db|
      db.operation_timeout = 0.05
      db.query("select pg_sleep(60)").errback do |*arguments|
        db.query("select 1").callback { |*outcome| note_and_stop([arguments, outcome]) }
      end
    end
    assert_equal [[], [false, "lost connection", []]], @noted
  end

  def test_disconnect_sends_terminate
    with_db do |db|
      db.define_singleton_method(:unbind) { |reason = nil| super(reason) || EM.stop }
      db.disconnect
      @db = db
    end
    db = @db
    assert_equal :closed, db.instance_variable_get(:@state)
  end

  private

  def another
    EM.connect("127.0.0.1", @server.port, Client) { |db| db.operation_timeout = PATIENCE }
  end

  def note_and_stop(what)
    @noted = what
    EM.stop
  end

  def connect_outcome(user, password, database: "postgres")
    reactor do
      db = another
      yield db if block_given?
      db.connect(database, user, password).callback { |*outcome| note_and_stop(outcome) }
    end
    @noted
  end

  # Logs in and runs the reactor until it is stopped; returns the result of #ask, if that stopped it.
  def log_in(user, password)
    reactor do
      db = another
      db.connect("postgres", user, password).callback do |connected, reason|
        raise reason unless connected

        yield db
      end
    end
    @result
  end

  def with_db(&block)
    log_in("postgres", nil, &block)
  end

  # Without a block, keeps the result and stops the reactor.
  def ask(db, sql, errors: 0)
    db.query(sql).callback do |sent, result, got|
      next if !sent && EM.stopping? # the test is over

      raise [result, *got].join(" ") unless sent && got.size == errors
      next yield(result, got) if block_given?

      @result = result
      EM.stop
    end
  end

  def asleep(pid)
    "(select count(*) from pg_stat_activity where pid = #{pid} and wait_event = 'PgSleep')"
  end

  def kill_when_asleep(pid)
    "do $$ begin while #{asleep(pid)} = 0 loop perform pg_stat_clear_snapshot(); end loop; perform pg_terminate_backend(#{pid}); end $$"
  end

  def cancel_when_asleep(db)
    other = another
    other.connect("postgres", "postgres").callback do
      ask(other, "do $$ begin while #{asleep(db.backend_pid)} = 0 loop perform pg_stat_clear_snapshot(); end loop; end $$") { db.cancel.callback { @cancelled = true } }
    end
  end
end
