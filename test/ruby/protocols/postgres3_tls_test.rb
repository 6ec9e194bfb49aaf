# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# Postgres3 with TLS: what is asked for, what is refused, and that nothing leaves in the clear.

require "test_helper"
require_relative "../support/tls_peers"

class Postgres3TlsTest < TLSTest
  Client = EM::P::Postgres3
  LOGIN = "R\0\0\0\x08\0\0\0\0K\0\0\0\x0c\0\0\0\x07abcdZ\0\0\0\x05I".b
  SSL_REQUEST = "\0\0\0\x08\x04\xd2\x16\x2f".b

  # A server that replies to the request for TLS with these bytes.
  # @return [Integer] its port
  def database(reply = "S", options = localhost, heard: [])
    script = { receive_data: lambda { |it, data|
      heard << data
      if data == SSL_REQUEST
        it.send_data(reply)
        it.start_tls(options) if reply == "S"
      elsif data.include?("user")
        it.send_data(LOGIN)
      else
        it.close_connection
      end
    } }
    port_of(EM.start_server("127.0.0.1", 0, TLSScripted, script))
  end

  # @return [Array] the outcome of logging in
  def log_in(port, mode, options = {})
    outcome = nil
    reactor do
      db = EM.connect("127.0.0.1", port.call, Client)
      db.sslmode = mode
      db.ssl_options = options
      db.connect("shop", "anna").callback do |*result|
        outcome = result
        yield db if block_given?
        EM.stop unless block_given?
      end
    end
    outcome
  end

  def verifying
    { hostname: "localhost", ca_pem: Certificates.root.cert }
  end

  def test_login_under_tls
    %w[prefer require verify-full].each do |mode|
      heard = []
      assert_equal [true], log_in(-> { database(heard: heard) }, mode, mode == "verify-full" ? verifying : {})
      assert_equal SSL_REQUEST, heard.first
    end
  end

  def test_without_tls_by_default
    heard = []
    assert_equal [true], log_in(-> { database(heard: heard) }, :disable)
    refute_includes heard, SSL_REQUEST
  end

  def test_a_server_without_tls
    assert_equal [true], log_in(-> { database("N") }, :prefer)
    %i[require verify_full].each do |mode|
      heard = []
      assert_equal [false, "the server does not support TLS"], log_in(-> { database("N", heard: heard) }, mode, verifying)
      assert_equal [SSL_REQUEST], heard
    end
  end

  def test_a_server_that_replies_with_an_error
    assert_equal [false, "the server does not support TLS"], log_in(-> { database("E") }, :prefer)
  end

  def test_bytes_behind_the_reply_are_refused
    assert_equal [false, "data before TLS started"], log_in(-> { database("S#{LOGIN}") }, :require)
  end

  def test_the_servers_certificate_is_verified
    heard = []
    stranger = Certificates.self_signed("localhost")
    server = { cert: stranger.cert, private_key: stranger.private_key }
    succeeded, reason = log_in(-> { database("S", server, heard: heard) }, :verify_full, verifying)
    refute succeeded
    assert_match(/\ATLS failed: .*self-signed/, reason)
    assert_equal [SSL_REQUEST], heard
  end

  # With TLS 1.3, the client learns it after its handshake.
  def test_a_server_that_refuses_the_client_says_why
    succeeded, reason = log_in(-> { database("S", localhost(verify: true, ca_pem: Certificates.root.cert)) }, :require)
    refute succeeded
    assert_match(/\ATLS failed: .*certificate required/, reason)
  end

  def test_cancel_says_why_tls_failed
    outcome = nil
    reason = log_in(-> { database }, :require) do |db|
      db.instance_variable_set(:@cancel_tls, { verify: true, hostname: "example.com" })
      db.cancel.errback { |why| (outcome = why) && EM.stop }
    end
    assert_equal [true], reason
    assert_match(/\ATLS failed: .*self-signed|TLS failed: .*not trusted/, outcome)
  end

  def test_verify_full_without_a_name
    error = assert_raises(ArgumentError) { log_in(-> { database }, :verify_full) }
    assert_match(/hostname/, error.message)
  end

  def test_cancel_uses_tls_as_well
    heard = []
    log_in(-> { database(heard: heard) }, :require) { |db| db.cancel.callback { EM.stop } }
    assert_equal ["\0\0\0\x10\x04\xd2\x16\x2e\0\0\0\x07abcd".b, SSL_REQUEST], heard.last(2).reverse
  end

  def test_modes
    db = Client.allocate
    assert_equal :disable, db.sslmode
    db.sslmode = "verify-full"
    assert_equal :verify_full, db.sslmode
    assert_raises(ArgumentError) { db.sslmode = :allow }
    assert_raises(ArgumentError) { db.ssl_options = "x" }
  end
end
