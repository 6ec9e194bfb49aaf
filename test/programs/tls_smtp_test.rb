# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# STARTTLS of our SmtpServer with swaks, a client in Perl.

require "programs_helper"
require_relative "support/tls_service"

class SmtpWithTLSTest < TLSTest
  include TLSService

  self.time_limit = 60

  # Keeps what it gets.
  class Inbox < EM::P::SmtpServer
    class << self
      def mails
        @mails ||= []
      end
    end

    def receive_plain_auth(user, password)
      [user, password] == %w[ann secret]
    end

    def receive_sender(_sender)
      @mail = [get_cipher_protocol, +""]
    end

    def receive_data_chunk(lines)
      @mail.last << lines.join("\n")
    end

    def receive_message
      self.class.mails << @mail
    end
  end

  # @return [Array(String, Process::Status, Array)] the dialogue, how it ended, and the mails that arrived
  def swaks(*arguments, **parameters)
    need "swaks"
    inbox = Class.new(Inbox)
    inbox.parms = { starttls: :required, auth: true, starttls_options: localhost, **parameters }
    output, status = while_serving(-> { port_of(EM.start_server("127.0.0.1", 0, inbox)) }) do |port|
      Open3.capture2e("swaks", "--server", "127.0.0.1:#{port}", "--from", "me@test", "--to", "you@test", "--helo", "x",
                      "--body", "by TLS", *arguments)
    end
    skip "swaks has no TLS here" if output.match?(/TLS not available|requires Net::SSLeay/i)
    [output, status, inbox.mails]
  end

  def test_a_mail_by_tls
    { "tlsv1_3" => "TLSv1.3", "tlsv1_2" => "TLSv1.2" }.each do |asked, version|
      output, status, mails = swaks("--tls", "--tls-protocol", asked, "--tls-verify", "--tls-ca-path", root)
      assert_predicate status, :success?, output
      assert_equal [version], mails.map(&:first)
      assert_includes mails.first.last, "by TLS"
    end
  end

  def test_a_password_by_tls
    output, status, mails = swaks("--tls", "--auth", "PLAIN", "--auth-user", "ann", "--auth-password", "secret")
    assert_predicate status, :success?, output
    assert_equal 1, mails.size
  end

  def test_no_mail_without_tls
    output, status, mails = swaks
    refute_predicate status, :success?, output
    assert_empty mails
  end

  def test_a_client_that_verifies_sends_nothing_to_an_unknown_server
    stranger = Certificates.self_signed("localhost")
    output, status, mails = swaks("--tls", "--tls-verify", "--tls-ca-path", root, "--auth", "PLAIN", "--auth-user", "ann",
                                  "--auth-password", "secret",
                                  starttls_options: { cert: stranger.cert, private_key: stranger.private_key })
    refute_predicate status, :success?, output
    assert_empty mails
    refute_match(/AUTH PLAIN \S/, output)
  end
end
