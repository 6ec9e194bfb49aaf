# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# HttpClient2 over https.

require "test_helper"
require_relative "../support/tls_peers"

class HttpClient2TlsTest < TLSTest
  RESPONSE = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"

  # @return [Array] the response's content or :failed, and what the server has heard
  def get(options, credentials: Certificates.localhost)
    outcome = heard = nil
    reactor do
      port = tls_server({ cert: credentials.cert, private_key: credentials.private_key }, receive_data: lambda { |it, data|
        heard = [it.get_sni_hostname, data]
        it.send_data(RESPONSE)
      })
      request = connect(port, options).get("/")
      request.callback { (outcome = request.content) && EM.stop }
      request.errback { (outcome = :failed) && EM.stop }
    end
    [outcome, heard]
  end

  def connect(port, options)
    standard_error = $stderr
    $stderr = StringIO.new
    EM::P::HttpClient2.connect(host: "localhost", port: port, tls: options)
  ensure
    $stderr = standard_error
  end

  def test_a_request_over_https
    content, (name, request) = get(true)
    assert_equal %w[hello localhost], [content, name]
    assert request.start_with?("GET / HTTP/1.1\r\nHost: localhost:")
  end

  def test_with_verification
    verify = { verify: true, ca_pem: Certificates.root.cert }
    assert_equal "hello", get(verify)[0]
    assert_equal [:failed, nil], get(verify, credentials: Certificates.self_signed("localhost"))
    assert_equal [:failed, nil], get(verify, credentials: Certificates.root.issue("example.com"))
  end

  # @return [Array] what a request says that failed
  def failure(port, options)
    request = nil
    reactor do
      request = connect(port.call, options).get("/")
      request.callback { EM.stop }
      request.errback { EM.stop }
    end
    [request.internal_error, request.error_text]
  end

  def test_the_request_says_why_tls_failed
    verify = { verify: true, ca_pem: Certificates.root.cert }
    stranger = Certificates.self_signed("localhost")
    { { cert: stranger.cert, private_key: stranger.private_key } => /not trusted/,
      localhost(ssl_version: "TLSv1_2") => /version/ }.each do |options, text|
      kind, why = failure(-> { tls_server(options) }, verify.merge(ssl_version: "TLSv1_3"))
      assert_equal :tls_failed, kind
      assert_match text, why
    end
  end

  def test_the_request_says_that_the_peer_does_not_take_part_in_the_handshake
    kind, why = failure(-> { server }, { handshake_timeout: 0.05 })
    assert_equal :tls_failed, kind
    assert_match(/timed out/, why)
    assert_equal :tls_failed, failure(-> { server(receive_data: ->(it, _) { it.close_connection }) }, true).first
    assert_equal :tls_failed, failure(-> { server(receive_data: ->(it, _) { it.send_data("HTTP/1.1 400 no\r\n\r\n") }) }, true).first
  end

  def test_other_failures_are_not_those_of_tls
    kind, why = failure(-> { closed_port }, true)
    assert_nil kind
    assert_match(/refused/, why)
    assert_nil failure(-> { tls_server(localhost, receive_data: ->(it, _) { it.close_connection }) }, true).first
    bad = -> { tls_server(localhost, receive_data: ->(it, _) { it.send_data("nonsense\r\n\r\n") }) }
    assert_equal :bad_request, failure(bad, true).first
  end

  def test_with_options_that_are_shared
    assert_equal "hello", get(EM::TLS.new(ca_pem: Certificates.root.cert))[0]
    assert_equal [:failed, nil], get(EM::TLS.new)
    assert_equal [:failed, nil], get(EM::TLS.new(ca_pem: Certificates.root.cert, hostname: "example.com"))
  end

  def test_inspect_shows_no_private_key
    secret = Certificates.client.private_key.lines[1].chomp
    in_reactor do
      client = connect(closed_port, { cert: Certificates.client.cert, private_key: Certificates.client.private_key })
      refute_includes client.inspect, secret
    end
  end
end
