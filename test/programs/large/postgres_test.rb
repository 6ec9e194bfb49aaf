# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# Postgres3 against PostgreSQL itself.

require "programs_helper"
require_relative "../support/postgresql"

class PostgresTest < ProgramTest
  self.time_limit = 120

  # Runs the reactor with a client that has logged in, until the block's deferrable has its outcome.
  # @return [Array] that outcome
  def with_client(user = "postgres", password = nil)
    outcome = nil
    reactor do
      client = EM.connect("127.0.0.1", PostgreSQL.port, EM::P::Postgres3)
      client.connect("postgres", user, password).callback do |ok, reason|
        next finish(outcome = [ok, reason]) unless ok

        yield(client).callback { |*values| finish(outcome = values) }.errback { finish(outcome = :timeout) }
      end
    end
    outcome
  end

  def finish(_outcome)
    EM.stop
  end

  def query(sql, user = "postgres", password = nil)
    with_client(user, password) { |client| client.query(sql) }
  end

  PostgreSQL::WAYS.each do |user, way|
    define_method("test_a_login_by_#{way}") do
      done, result, errors = query("select current_user", user, "secret")
      assert_equal [true, [[user]], []], [done, result.rows, errors]
    end
  end

  %w[scram md5user clear].each do |user|
    define_method("test_a_wrong_password_of_#{user}_is_refused") do
      done, reason = query("select 1", user, "wrong")
      assert_equal false, done
      assert_match(/password authentication failed for user "#{user}"/, reason)
    end
  end

  def test_a_database_that_is_not_there
    outcome = nil
    reactor do
      EM.connect("127.0.0.1", PostgreSQL.port, EM::P::Postgres3).connect("nowhere", "postgres").callback { |*values| finish(outcome = values) }
    end
    assert_equal false, outcome[0]
    assert_match(/database "nowhere" does not exist/, outcome[1])
  end

  def test_a_unix_domain_socket
    outcome = nil
    reactor do
      client = EM.connect_unix_domain(PostgreSQL.socket, EM::P::Postgres3)
      client.connect("postgres", "scram", "secret").callback { |*values| finish(outcome = values) }
    end
    assert_equal [true], outcome
  end

  def test_columns_nulls_and_bytes
    _, result, = query("select 1 as one, null as nothing, '' as empty, 'gr\u00fcn' as green")
    assert_equal [["1", nil, "", "gr\u00fcn".b]], result.rows
    assert_equal %w[one nothing empty green], result.fields.map(&:name)
    assert_equal [23, 25, 25, 25], result.fields.map(&:type_oid)
    assert_equal "SELECT 1", result.cmd_tag
  end

  def test_an_error_of_sql_leaves_the_connection_usable
    done, result, = with_client do |client|
      second = EM::DefaultDeferrable.new
      client.query("select 1/0").callback do |ok, empty, errors|
        assert_equal [true, [], "22012"], [ok, empty.rows, errors.first.code]
        client.query("select 2").callback { |*values| second.succeed(*values) }
      end
      second
    end
    assert_equal [true, [["2"]]], [done, result.rows]
  end

  def test_notices_go_to_their_processor
    notices = []
    with_client do |client|
      client.notice_processor = ->(notice) { notices << notice.message }
      client.query("do $$ begin raise notice 'hello'; end $$")
    end
    assert_equal ["hello"], notices
  end

  def test_several_statements_bring_the_last_rows
    _, result, errors = query("select 1; select 2, 3; select 4")
    assert_equal [[["4"]], []], [result.rows, errors]
  end

  def test_large_results
    _, result, = query("select i, repeat('x', 20) from generate_series(1, 100000) i")
    assert_equal 100_000, result.rows.size
    assert_equal %W[100000 #{'x' * 20}], result.rows.last
    _, result, = query("select repeat('y', 5000000)")
    assert_equal "y" * 5_000_000, result.rows[0][0]
  end

  def test_copying_is_refused_or_dropped_and_the_connection_goes_on
    _, result, errors = with_client do |client|
      last = EM::DefaultDeferrable.new
      client.query("create temp table t (a int); copy t from stdin").callback do |ok, _, copy_errors|
        assert ok
        assert_match(/COPY/, copy_errors.first.message)
        client.query("copy (select 7) to stdout; select 8").callback { |*values| last.succeed(*values) }
      end
      last
    end
    assert_equal [[["8"]], []], [result.rows, errors]
  end

  def test_a_query_can_be_cancelled
    _, _, errors = with_client do |client|
      client.query("select pg_sleep(100)").tap { assert client.cancel }
    end
    assert_equal "57014", errors.first.code
  end

  def test_a_connection_that_the_server_ends
    outcome = with_client do |client|
      client.query("select pg_backend_pid()").callback do |_, result|
        query_on_another("select pg_terminate_backend(#{result.rows[0][0]})")
      end
      waiting = EM::DefaultDeferrable.new
      EM.next_tick { as_soon_as(-> { !client.instance_variable_get(:@operation) }) { client.query("select pg_sleep(100)").callback { |*v| waiting.succeed(*v) } } }
      waiting
    end
    assert_equal [false, "lost connection"], outcome
  end

  def test_notifications_arrive_while_nothing_is_asked
    got = nil
    with_client do |client|
      arrived = EM::DefaultDeferrable.new
      client.notification_processor = ->(channel, payload, _pid) { arrived.succeed(got = [channel, payload]) }
      client.query("listen news").callback { query_on_another("notify news, 'it rains'") }
      arrived
    end
    assert_equal ["news", "it rains"], got
  end

  private

  def query_on_another(sql)
    client = EM.connect("127.0.0.1", PostgreSQL.port, EM::P::Postgres3)
    client.connect("postgres", "postgres").callback { client.query(sql).callback { client.close_connection } }
  end
end
