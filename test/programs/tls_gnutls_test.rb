# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# Our TLS with GnuTLS at the other end: gnutls-cli as the client, gnutls-serv as the server.

require "programs_helper"
require_relative "support/tls_service"

class TLSWithGnuTLSTest < TLSTest
  include TLSService

  self.time_limit = 60

  TLS_1_2 = ["--priority", "NORMAL:-VERS-TLS1.3"].freeze
  VERSIONS = { "TLSv1.3" => [], "TLSv1.2" => TLS_1_2 }.freeze

  # Runs gnutls-cli, which verifies our server.
  # @return [Array(String, Array)] its output, and for each connection what our server knew after the handshake
  def cli(arguments, options = {}, &known)
    need "gnutls-cli"
    seen = []
    output, status = with_server(localhost(**options), input: "hello, quit\n", receive_data: SHOUT,
                                                       ssl_handshake_completed: ->(it) { seen << known.call(it) }) do |port|
      ["gnutls-cli", "--x509cafile", root, "--port", port.to_s, *arguments, "localhost"]
    end
    assert_predicate status, :success?, output
    assert_includes output, "HELLO, QUIT"
    [output, seen]
  end

  def test_a_client
    VERSIONS.each do |version, arguments|
      _, seen = cli(arguments) { |it| [it.get_cipher_protocol, it.get_sni_hostname] }
      assert_equal [[version, "localhost"]], seen
    end
  end

  def test_a_client_that_resumes
    VERSIONS.each_value do |arguments|
      output, seen = cli(["--resume", *arguments], &:tls_session_resumed?)
      assert_equal [false, true], seen, output
      assert_includes output, "This is a resumed session"
    end
  end

  def test_a_client_with_a_protocol
    output, seen = cli(["--alpn", "echo"], { alpn: %w[other echo] }, &:get_alpn_protocol)
    assert_equal ["echo"], seen
    assert_includes output, "Application protocol: echo"
  end

  def test_a_client_with_a_certificate
    credentials = Certificates.client
    VERSIONS.each_value do |arguments|
      _, seen = cli(["--x509certfile", credentials.cert_file, "--x509keyfile", credentials.key_file, *arguments],
                    { verify: true, ca_pem: Certificates.root.cert }, &:get_peer_cert)
      assert_equal [credentials.cert], seen
    end
  end

  # Runs gnutls-serv, which sends back what it gets, and connects once or more.
  # @yieldparam it [TLSScripted] the client, after the handshake
  # @return [Array] what the block returned for each connection, or why a connection was lost
  def clients_of_gnutls(arguments, options = {}, count: 1, &known)
    need "gnutls-serv"
    server = lambda do |port|
      ["gnutls-serv", "--port", port.to_s, "--x509certfile", Certificates.localhost.cert_file,
       "--x509keyfile", Certificates.localhost.key_file, "--echo", *arguments]
    end
    with_program(server) { |port| Array.new(count) { connect(port, options, known) } }
  end

  def connect(port, options, known)
    result = nil
    options = { verify: true, hostname: "localhost", ca_pem: Certificates.root.cert, **options }
    reactor do
      tls_client(port, options, post_init: ->(it) { it.send_data("hello\n") },
                                receive_data: ->(it, _) { it.close_connection if it.received == "hello\n" },
                                unbind: lambda { |it, reason|
                                  result = reason ? it.get_reason_text : known.call(it)
                                  EM.stop
                                })
    end
    result
  end

  def test_a_server
    VERSIONS.each do |version, arguments|
      assert_equal [version], clients_of_gnutls(arguments, &:get_cipher_protocol)
    end
  end

  def test_a_server_whose_sessions_are_resumed
    VERSIONS.each_value do |arguments|
      assert_equal [false, true], clients_of_gnutls(arguments, count: 2, &:tls_session_resumed?)
    end
  end

  def test_a_server_with_a_protocol
    assert_equal ["echo"], clients_of_gnutls(%w[--alpn echo], { alpn: %w[other echo] }, &:get_alpn_protocol)
  end

  def test_a_server_that_wants_a_certificate
    arguments = ["--require-client-cert", "--verify-client-cert", "--x509cafile", root]
    credentials = { cert: Certificates.client.cert, private_key: Certificates.client.private_key }
    VERSIONS.each_value do |version|
      assert_equal ["ok"], clients_of_gnutls(arguments + version, credentials, &:get_tls_verdict)
      assert_match(/alert/, clients_of_gnutls(arguments + version, &:get_tls_verdict).first)
    end
  end
end
