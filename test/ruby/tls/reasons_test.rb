# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# get_reason_text in unbind says in words why a connection has ended.

require_relative "../support/tls_peers"

class TLSReasonsTest < TLSTest
  # @return [Array<String>] the texts of the client and the server
  def texts(client_options, server_options, **scripts)
    texts = {}
    left = 2
    note = lambda do |side|
      lambda do |it, _|
        texts[side] = it.get_reason_text
        EM.stop if (left -= 1).zero?
      end
    end
    run_pair(client_options, server_options, client: { unbind: note.call(:client), **scripts },
                                             server: { unbind: note.call(:server) })
    texts.values_at(:client, :server)
  end

  def verify(**options)
    { verify: true, hostname: "localhost", ca_pem: Certificates.root.cert, **options }
  end

  def test_the_text_names_an_expired_certificate
    expired = Certificates.root.issue("localhost", valid: (Time.now - 7200)..(Time.now - 3600))
    client, server = texts(verify, { cert: expired.cert, private_key: expired.private_key })
    assert_match(/expired/, client)
    assert_match(/\Aconnection with 127\.0\.0\.1:\d+: /, client)
    assert_match(/alert/, server)
  end

  def test_the_verdict_can_be_read_in_unbind
    expired = Certificates.root.issue("localhost", valid: (Time.now - 7200)..(Time.now - 3600))
    verdict = nil
    reactor do
      port = tls_server({ cert: expired.cert, private_key: expired.private_key })
      tls_client(port, verify, unbind: lambda { |it, _|
        verdict = it.get_tls_verdict
        EM.stop
      })
    end
    assert_match(/expired/, verdict)
  end

  def test_the_text_names_another_host
    client, = texts(verify(hostname: "example.com"), localhost)
    assert_match(/example\.com|name/, client)
  end

  def test_the_text_names_an_unknown_authority
    client, = texts(verify(ca_pem: Certificates.self_signed("Other", ca: true).cert), localhost)
    assert_match(/issuer|trusted/, client)
  end

  def test_the_text_names_a_missing_common_version
    client, server = texts({ ssl_version: :TLSv1_3 }, localhost(ssl_version: :TLSv1_2))
    assert_match(/version/, client)
    assert_match(/version|protocol/, server)
  end

  # In TLS 1.3 the client has finished before the server has seen its certificate.
  def test_a_client_learns_that_its_certificate_was_rejected
    stranger = Certificates.self_signed("stranger")
    client, server = texts({ cert: stranger.cert, private_key: stranger.private_key },
                           localhost(verify: true, ca_pem: Certificates.root.cert))
    assert_match(/alert/, client)
    assert_match(/trusted|self.signed/, server)
  end

  # OpenSSL 3.0 has no name for this alert of TLS 1.3.
  def test_a_client_learns_that_a_certificate_is_required
    client, = texts({}, localhost(verify: true, ca_pem: Certificates.root.cert))
    assert_match(/alert 116: .*certificate.required/, client)
  end

  def test_the_text_names_a_rejection_by_ssl_verify_peer
    client, = texts({ verify_peer: true }, localhost, ssl_verify_peer: ->(*) { false })
    assert_match(/reject/, client)
  end

  def test_the_text_names_a_peer_without_tls
    text = nil
    reactor do
      port = server(post_init: ->(it) { it.send_data("220 plain text\r\n") })
      tls_client(port, {}, unbind: lambda { |it, _|
        text = it.get_reason_text
        EM.stop
      })
    end
    assert_match(/the peer does not speak TLS: the first bytes look like plain text/, text)
  end

  # The client keeps the connection open: nothing but its first bytes tells.
  def test_plain_http_to_a_server_with_tls
    text = nil
    reactor do
      port = tls_server(localhost, unbind: lambda { |it, _|
        text = it.get_reason_text
        EM.stop
      })
      peer(port).write("GET / HTTP/1.1\r\n")
    end
    assert_match(/the peer does not speak TLS: the first bytes look like HTTP/, text)
  end

  def test_the_text_names_a_handshake_that_timed_out
    text = nil
    reactor do
      tls_client(listener.local_address.ip_port, { handshake_timeout: 0.02 }, unbind: lambda { |it, _|
        text = it.get_reason_text
        EM.stop
      })
    end
    assert_match(/timed out.*nothing/, text)
  end

  def test_the_text_exists_without_tls_and_only_in_unbind
    before = in_unbind = nil
    connection = nil
    reactor do
      connection = client(closed_port, post_init: ->(it) { before = it.get_reason_text }, unbind: lambda { |it, _|
        in_unbind = it.get_reason_text
        EM.stop
      })
    end
    assert_nil before
    assert_match(/\Aconnect to 127\.0\.0\.1:\d+: Connection refused\z/, in_unbind)
    in_reactor { assert_nil connection.get_reason_text }
  end
end
