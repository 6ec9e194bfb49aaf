# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# The saslauthd protocol with the real daemon and its test client. The daemon verifies passwords with an IMAP server
# that is part of this test, so that no user of the system is involved.

require "programs_helper"
require "open3"

class SaslauthdTest < ProgramTest
  module ImapServer
    include EM::P::LineText2

    def post_init
      send_data("* OK ready\r\n")
    end

    def receive_line(line)
      tag, command, arguments = line.split(" ", 3)
      accepted = command != "LOGIN" || arguments == '"ann" "secret"'
      send_data("#{tag} #{accepted ? 'OK' : 'NO'} done\r\n")
      close_connection_after_writing if command == "LOGOUT"
    end
  end

  class Asker < EM::Connection
    include EM::P::SASLauthclient
  end

  class Gatekeeper < EM::Connection
    include EM::P::SASLauth

    def validate(*request)
      request == ["ann", "secret", "smtp", "example.org"]
    end
  end

  def test_our_client_with_the_real_daemon
    verdicts = {}
    reactor do
      imap_port = port_of(EM.start_server("127.0.0.1", 0, ImapServer))
      daemon = start_program(port: nil) { |_, folder| %W[saslauthd -d -a rimap -O 127.0.0.1/#{imap_port} -m #{folder} -n 2] }
      socket = File.join(daemon.directory, "mux")
      as_soon_as(-> { File.socket?(socket) }) do
        { "secret" => true, "wrong" => false, "" => false }.each_key { |password| ask(socket, password, verdicts) }
      end
      as_soon_as(-> { verdicts.size == 3 }) { EM.stop }
    end
    assert_equal({ "secret" => :in, "wrong" => :out, "" => :out }, verdicts)
  end

  def test_the_daemons_client_with_our_server
    path = socket_path
    outputs = []
    reactor do
      EM.start_unix_domain_server(path, Gatekeeper)
      @asking = Thread.new do
        outputs = %w[secret wrong].map do |password|
          Open3.capture2e("testsaslauthd", "-u", "ann", "-p", password, "-s", "smtp", "-r", "example.org", "-f", path).first
        end
        EM.next_tick { EM.stop }
      end
    end
    assert_match(/OK/, outputs[0])
    assert_match(/NO/, outputs[1])
  ensure
    @asking&.join
  end

  private

  # The daemon replies to one request per connection.
  def ask(socket, password, verdicts)
    client = EM.connect_unix_domain(socket, Asker)
    client.validate?("ann", password).callback { verdicts[password] = :in }.errback { verdicts[password] = :out }
  end
end
