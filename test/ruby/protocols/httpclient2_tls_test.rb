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
