# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# SmtpClient and SmtpServer with STARTTLS, each with the other and with peers that try to inject something.

require "test_helper"
require_relative "../support/tls_peers"

class SmtpTlsTest < TLSTest
  MESSAGE = { domain: "here", from: "a@b", to: "c@d", header: { "Subject" => "x" }, body: "text\r\n",
              host: "localhost" }.freeze

  # A server that accepts everything and records what it hears.
  class Server < EM::P::SmtpServer
    attr_reader :calls

    def initialize(parms, calls)
      super()
      self.parms = parms
      @calls = calls
    end

    def receive_plain_auth(user, password)
      calls << [user, password, get_cipher_protocol]
      true
    end

    def receive_sender(sender)
      calls << sender
      true
    end

    def receive_message
      calls << :message
      true
    end
  end

  # @return [Array(Symbol, OpenStruct, Array)] the outcome and what the server has heard
  def deliver(options, credentials: Certificates.localhost, **parms)
    outcome = nil
    calls = []
    reactor do
      tls = { cert: credentials.chain, private_key: credentials.private_key }
      parms = { starttls: :required, starttls_options: tls, **parms }
      port = port_of(EM.start_server("127.0.0.1", 0, Server, parms, calls))
      client = EM::P::SmtpClient.send({ **MESSAGE, port: port, **options })
      client.callback { |result| (outcome = [:succeeded, result]) && EM.stop }
      client.errback { |result| (outcome = [:failed, result]) && EM.stop }
    end
    [*outcome, calls]
  end

  def test_a_message_under_tls
    result, outcome, calls = deliver({ starttls: true })
    assert_equal [:succeeded, ["<a@b>", :message]], [result, calls], outcome.message
  end

  def test_a_password_under_tls
    auth = { type: :plain, username: "user", password: "secret", require_tls: true }
    result, _, calls = deliver({ starttls: true, auth: auth }, auth: :required)
    assert_equal [:succeeded, %w[user secret TLSv1.3]], [result, calls.first]
  end

  def test_the_server_is_verified_if_asked
    verify = { verify: true, ca_pem: Certificates.root.cert }
    assert_equal :succeeded, deliver({ starttls: verify })[0]
    [Certificates.self_signed("localhost"), Certificates.root.issue("example.com")].each do |credentials|
      result, _, calls = deliver({ starttls: verify }, credentials: credentials)
      assert_equal [:failed, []], [result, calls]
    end
  end

  def test_a_bad_renewed_certificate_does_not_end_the_server
    files = { cert_chain_file: Certificates.write(Certificates.localhost.chain),
              private_key_file: Certificates.write(Certificates.localhost.private_key) }
    verify = { verify: true, ca_pem: Certificates.root.cert }
    assert_equal :succeeded, deliver({ starttls: verify }, starttls_options: files)[0]
    File.write(files[:cert_chain_file], "half")
    assert_output(nil, /goes on with the earlier TLS files/) do
      assert_equal :succeeded, deliver({ starttls: verify }, starttls_options: files)[0]
    end
  end

  def test_the_outcome_says_why_tls_failed
    verify = { verify: true, ca_pem: Certificates.root.cert }
    _, outcome, = deliver({ starttls: verify }, credentials: Certificates.root.issue("example.com"))
    assert_equal [:receive_starttls_response, 900], [outcome.responder, outcome.code]
    assert_match(/\ATLS failed: .*does not match the host name.*localhost/, outcome.message)
  end

  def test_options_that_are_shared
    tls = EM::TLS.new(ca_pem: Certificates.root.cert)
    assert_equal :succeeded, deliver({ starttls: tls })[0]
    assert_equal :failed, deliver({ starttls: tls }, credentials: Certificates.root.issue("example.com"))[0]
  end

  def test_the_server_drops_what_was_pipelined_behind_starttls
    calls = []
    reactor do
      port = port_of(EM.start_server("127.0.0.1", 0, Server, { starttls: true, starttls_options: localhost }, calls))
      talk(port) do |socket|
        socket.gets
        socket.write("EHLO x\r\n")
        nil until socket.gets.start_with?("250 ")
        socket.write("STARTTLS\r\nMAIL FROM:<evil@x>\r\n")
        assert_match(/\A220/, socket.gets)
        tls = handshake(socket)
        tls.write("RCPT TO:<c@d>\r\n")
        assert_equal "503 MAIL is required before RCPT\r\n", tls.gets
      end
    end
    assert_empty calls
  end

  def test_the_client_gives_up_if_something_was_injected_behind_the_reply
    outcome = nil
    heard = +""
    reactor do
      port = server(post_init: ->(it) { it.send_data("220 hello\r\n") }, receive_data: lambda { |it, data|
        heard << data
        it.send_data("250 ok\r\n") if data.start_with?("EHLO")
        it.send_data("220 go\r\n250 forged\r\n") if data.start_with?("STARTTLS")
      })
      client = EM::P::SmtpClient.send({ **MESSAGE, port: port, starttls: true })
      client.errback { |result| (outcome = result) && EM.stop }
    end
    assert_equal "data before TLS started", outcome.message
    refute_includes heard, "MAIL"
  end

  def test_the_client_sends_no_message_to_a_server_without_starttls
    outcome = nil
    heard = +""
    reactor do
      port = server(post_init: ->(it) { it.send_data("220 hello\r\n") }, receive_data: lambda { |it, data|
        heard << data
        it.send_data(data.start_with?("EHLO") ? "250 ok\r\n" : "500 what?\r\n")
      })
      client = EM::P::SmtpClient.send({ **MESSAGE, port: port, starttls: true })
      client.errback { |result| (outcome = result) && EM.stop }
    end
    assert_equal 500, outcome.code
    refute_includes heard, "MAIL"
  end

  def test_inspect_shows_no_private_key
    secret = Certificates.localhost.private_key.lines[1].chomp
    server = Server.allocate
    server.send(:initialize, { starttls: true, starttls_options: localhost }, [])
    refute_includes server.inspect, secret
    client = EM::P::SmtpClient.allocate
    client.send(:initialize)
    client.args = MESSAGE.merge(starttls: localhost)
    refute_includes client.inspect, secret
  end
end
