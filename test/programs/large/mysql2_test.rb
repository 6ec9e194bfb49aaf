# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "open3"
require "programs_helper"

# mysql2's adapter for EventMachine, which watches the descriptor of libmariadb, with MariaDB. All tests share one
# server.
class Mysql2Test < ProgramTest
  # The server, on a Unix-domain socket in a separate directory, without passwords.
  class Server
    def self.running
      @running ||= new.tap { |server| Minitest.after_run { server.stop } }
    end

    # @return [String] the path of its socket
    attr_reader :socket

    def initialize
      @program = StartedProgram.new(nil, nil, :TERM)
      @socket = File.join(@program.directory, "socket")
      data = File.join(@program.directory, "data")
      user = Process.uid.zero? ? ["--user=root"] : []
      output, status = Open3.capture2e("mariadb-install-db", "--no-defaults", "--datadir=#{data}", "--skip-test-db",
                                       "--auth-root-authentication-method=normal", *user)
      raise output unless status.success?

      @program.start({}, ["/usr/sbin/mariadbd", "--no-defaults", "--datadir=#{data}", "--socket=#{@socket}",
                          "--skip-networking", "--pid-file=#{data}/pid", *user])
      sleep 0.005 until @program.log.include?("ready for connections") || @program.ended?
    end

    def stop
      @program.finish
    end
  end

  # The server is started before the test's descriptors are counted.
  def before_setup
    @server = Server.running
    super
  end

  def test_queries_run_side_by_side
    assert_equal %w[quick slow], lines_of("mysql2_em", "side_by_side", @server.socket)
  end

  def test_hundreds_of_queries_in_a_row_watch_the_same_descriptor
    assert_equal [(1..500).sum.to_s], lines_of("mysql2_em", "in_a_row", @server.socket)
  end

  def test_an_error_of_the_server
    assert_equal ["Mysql2::Error"], lines_of("mysql2_em", "error", @server.socket)
  end

  def test_a_large_result
    assert_equal ["5000000"], lines_of("mysql2_em", "large", @server.socket)
  end

  def test_closing_a_client_during_a_query_ends_its_watch
    assert_equal "0", lines_of("mysql2_em", "closing", @server.socket).last
  end
end
