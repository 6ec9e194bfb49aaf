# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "programs_helper"
require_relative "../support/postgres_server"

# libpq, by ruby-pg, whose descriptors EM.watch watches, with PostgreSQL 15.
class LibpqTest < ProgramTest
  # The server is started before the test's descriptors are counted.
  def before_setup
    @server = PostgresServer.running
    super
  end

  def test_queries_run_side_by_side
    assert_equal %w[quick slow], lines_of("libpq", "side_by_side", over_tcp)
    assert_equal %w[quick slow], lines_of("libpq", "side_by_side", over_unix_socket)
  end

  def test_a_large_query_is_written_in_pieces
    assert_equal ["true"], lines_of("libpq", "large", over_tcp)
  end

  def test_an_encrypted_connection
    assert_equal ["true"], lines_of("libpq", "large", "#{over_tcp} sslmode=require")
  end

  def test_an_error_of_the_server
    assert_equal ["42703"], lines_of("libpq", "error", over_tcp)
  end

  def test_a_notification_comes_without_a_query
    assert_equal ["hello"], lines_of("libpq", "notification", over_tcp)
  end

  # libpq tries the next host with another socket.
  def test_the_first_host_refuses
    assert_equal %w[quick slow], lines_of("libpq", "side_by_side", "host=127.0.0.1,127.0.0.1 port=#{closed_port},#{@server.port} user=postgres")
  end

  def test_nobody_listens
    assert_equal ["failed"], lines_of("libpq", "failure", "host=127.0.0.1 port=#{closed_port} user=postgres")
  end

  private

  def over_tcp
    "host=127.0.0.1 port=#{@server.port} user=postgres dbname=postgres"
  end

  def over_unix_socket
    "host=#{File.dirname(@server.socket)} port=#{@server.port} user=postgres dbname=postgres"
  end
end
