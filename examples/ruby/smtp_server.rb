# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# usage: ruby -Ilib examples/ruby/smtp_server.rb
#
# An SMTP server with all its hooks, and a client that sends it a message.

require "eventmachine"

class Inbox < EM::P::SmtpServer
  # Without TLS, passwords are sent in the clear, so use this on this host only.
  self.parms = { chunksize: 100, auth: :required, auth_in_clear: true }

  def get_server_greeting() = "example inbox"
  def get_server_domain() = "inbox.example.com"

  def receive_ehlo_domain(domain)
    puts "connected: #{domain}"
    true
  end

  def receive_plain_auth(user, password)
    user == "ann" && password == "secret"
  end

  def receive_sender(raw)
    @sender, parameters = self.class.parse_path(raw)
    puts "from #{@sender} #{parameters}"
    true
  end

  # May look up the recipient and decide later.
  def receive_recipient(raw)
    address, = self.class.parse_path(raw)
    decision = EM::DefaultDeferrable.new
    EM.add_timer(0.01) { address.end_with?("@example.com") ? decision.succeed : decision.fail }
    decision
  end

  def receive_data_command
    @lines = []
    true
  end

  def receive_data_chunk(lines) = @lines.concat(lines)

  def receive_message
    puts "a message of #{@lines.size} lines:", @lines.map { |line| "| #{line}" }
    true
  end

  def receive_reset
    puts "the message was dropped"
  end

  def receive_transaction
    @lines = nil
  end

  def connection_ended
    puts "the client has disconnected"
  end
end

EM.run do
  server = EM.start_server("127.0.0.1", 0, Inbox)
  port, = Socket.unpack_sockaddr_in(EM.get_sockname(server))
  email = EM::P::SmtpClient.send(host: "127.0.0.1", port: port, domain: "client.example.com", from: "ann@example.com",
                                 to: %w[bob@example.com eve@elsewhere.example], auth: { type: :plain, username: "ann", password: "secret" },
                                 header: { "Subject" => "Lunch" }, body: "At noon?\r\n.\r\n")
  email.callback do |result|
    result.rcpt_responses.each { |recipient, code, texts| puts "#{recipient}: #{code} #{texts.join(' ')}" }
    EM.stop
  end
  email.errback { |result| abort "failed: #{result.code} #{result.message}" }
end
