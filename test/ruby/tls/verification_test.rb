# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# `verify: true`: the library verifies the peer's certificate, and no data is sent or received unless the chain, the
# name and the dates are valid.

require_relative "../support/tls_peers"

class TLSVerificationTest < TLSTest
  repeat_under_gc_pressure except: [/system/]

  # @return [TLSScripted] a client that has verified a server with these credentials, or refused it
  def client_of(credentials, options = {}, server: {}, **script)
    options = { verify: true, hostname: "localhost", ca_pem: Certificates.root.cert, **options }
    server = { cert: credentials.chain, private_key: credentials.private_key, **server }
    opened, @accepted = run_pair(options, server, client: {
      post_init: ->(it) { it.send_data("secret") },
      ssl_handshake_completed: ->(it) { it.close_connection_after_writing }, **script
    }, server: { ssl_verify_peer: ->(*) { true } })
    opened
  end

  def assert_verified(credentials, options = {}, **more)
    client = client_of(credentials, options, **more)
    assert_includes client.events, :ssl_handshake_completed, options.inspect
    assert_nil client.reason
  end

  def assert_rejected(credentials, options = {}, **more)
    client = client_of(credentials, options, **more)
    refute_includes client.events, :ssl_handshake_completed, options.inspect
    assert_equal Errno::EPROTO, client.reason
    assert_equal "", @accepted.received
  end

  def issued(*names, **options)
    Certificates.root.issue("tests", names: names, **options)
  end

  def test_a_valid_certificate_is_accepted
    assert_verified Certificates.localhost
    assert_verified Certificates.behind_intermediate
  end

  def test_a_certificate_for_another_host_is_rejected
    assert_rejected issued("DNS:example.com")
    assert_rejected Certificates.localhost, { hostname: "example.com" }
  end

  def test_the_common_name_is_not_a_host_name
    assert_rejected Certificates.root.issue("localhost", names: [])
  end

  def test_a_wildcard_stands_for_one_whole_label
    assert_verified issued("DNS:*.example.com"), { hostname: "www.example.com" }
    assert_rejected issued("DNS:*.example.com"), { hostname: "a.www.example.com" }
    assert_rejected issued("DNS:*.example.com"), { hostname: "example.com" }
    assert_rejected issued("DNS:w*.example.com"), { hostname: "www.example.com" }
    assert_rejected issued("DNS:*"), { hostname: "localhost" }
  end

  def test_addresses_match_only_addresses
    assert_verified Certificates.localhost, { hostname: "127.0.0.1" }
    assert_verified Certificates.localhost, { hostname: "::1" }
    assert_rejected Certificates.localhost, { hostname: "127.0.0.2" }
    assert_rejected issued("DNS:127.0.0.1"), { hostname: "127.0.0.1" }
  end

  def test_a_final_dot_does_not_count
    assert_verified Certificates.localhost, { hostname: "localhost." }
  end

  def test_certificates_are_rejected_before_and_after_their_dates
    assert_rejected issued("DNS:localhost", valid: (Time.now - 7200)..(Time.now - 3600))
    assert_rejected issued("DNS:localhost", valid: (Time.now + 3600)..(Time.now + 7200))
  end

  def test_a_certificate_for_another_purpose_is_rejected
    assert_rejected issued("DNS:localhost", purpose: "clientAuth")
  end

  def test_an_unknown_issuer_is_rejected
    assert_rejected Certificates.self_signed("localhost")
    assert_rejected Certificates.self_signed("Another root", ca: true).issue("localhost")
  end

  def test_a_chain_without_its_intermediate_certificate_is_rejected
    alone = Certificates::Credentials.new(Certificates.behind_intermediate.certificate,
                                          Certificates.behind_intermediate.key, [])
    assert_rejected alone
  end

  def test_the_self_signed_certificate_of_a_server_is_rejected
    client, = run_pair({ verify: true, hostname: "localhost", ca_pem: Certificates.root.cert }, {})
    assert_equal Errno::EPROTO, client.reason
  end

  def test_authorities_may_be_a_file_a_directory_or_a_text
    root = Certificates.root
    assert_verified Certificates.localhost, { ca_pem: nil, ca_file: root.cert_file }
    assert_verified Certificates.localhost, { ca_pem: nil, ca_path: Certificates.directory_of(root.certificate) }
    both = Certificates.self_signed("Another root", ca: true).cert + root.cert
    assert_verified Certificates.localhost, { ca_pem: both }
  end

  def test_the_systems_authorities_do_not_know_the_tests_own
    assert_rejected Certificates.localhost, { ca_pem: nil }
  end

  def test_sni_hostname_is_the_host_name_unless_another_is_given
    assert_verified Certificates.localhost, { hostname: nil, sni_hostname: "localhost" }
    assert_rejected Certificates.localhost, { hostname: nil, sni_hostname: "example.com" }
    assert_verified Certificates.localhost, { hostname: "localhost", sni_hostname: "example.com" }
  end

  def test_the_host_name_is_sent_as_sni
    names = []
    [["localhost", {}], ["localhost", { sni_hostname: "other" }], ["127.0.0.1", {}]].each do |name, more|
      client = client_of(Certificates.localhost, { hostname: name, **more })
      assert_nil client.reason
      names << nil
      run_pair({ verify: true, hostname: name, ca_pem: Certificates.root.cert, **more }, localhost,
               client: { receive_data: ->(it, _) { it.close_connection } },
               server: { ssl_handshake_completed: lambda { |it|
                 names[-1] = it.get_sni_hostname
                 it.send_data("!")
               } })
    end
    assert_equal ["localhost", "other", nil], names
  end

  def test_without_a_name_it_raises
    in_reactor do
      client(server, post_init: lambda { |it|
        error = assert_raises(ArgumentError) { it.start_tls(verify: true) }
        assert_match(/hostname/, error.message)
        assert_raises(ArgumentError) { it.start_tls(verify: true, hostname: "") }
      })
    end
  end

  def test_a_host_name_without_verification_raises
    in_reactor do
      client(server, post_init: lambda { |it|
        assert_raises(ArgumentError) { it.start_tls(hostname: "localhost") }
        assert_raises(ArgumentError) { it.start_tls(ca_file: Certificates.root.cert_file) }
        assert_nil it.start_tls(verify: false, hostname: "localhost")
      })
    end
  end

  def test_bad_values_raise
    in_reactor do
      client(server, post_init: lambda { |it|
        { verify: [1, "yes", :peer], hostname: ["a..b", "a\0b", 1, "x" * 300], handshake_timeout: [0, -1, "x"],
          alpn: [1, [""], ["x" * 256], [nil]], session_tickets: ["yes", 1], certificates: [1, { "a" => 1 }] }
          .each do |name, values|
          values.each do |value|
            options = { verify: true, hostname: "localhost", name => value }
            assert_raises(ArgumentError, TypeError, "#{name}: #{value}") { it.start_tls(options) }
          end
        end
      })
    end
  end

  def test_missing_and_broken_authorities_raise
    in_reactor do
      client(server, post_init: lambda { |it|
        verify = { verify: true, hostname: "localhost" }
        missing = assert_raises(EM::FileNotFoundException) { it.start_tls(ca_file: "/nonexistent", **verify) }
        assert_equal "Could not find /nonexistent for start_tls", missing.message
        assert_raises(EM::FileNotFoundException) { it.start_tls(ca_path: "/nonexistent", **verify) }
        assert_raises(EM::BadCertParams) { it.start_tls(ca_file: Certificates.write("nonsense"), **verify) }
        assert_raises(EM::BadCertParams) { it.start_tls(ca_pem: "nonsense", **verify) }
        assert_raises(EM::BadCertParams) do
          it.start_tls(ca_pem: Certificates.root.cert, ca_file: Certificates.root.cert_file, **verify)
        end
      })
    end
  end

  # With verify_peer: true as well, ssl_verify_peer is called, and may reject more, but never less.
  def test_the_program_may_reject_more
    options = { verify_peer: true }
    assert_rejected Certificates.localhost, options, ssl_verify_peer: ->(*) { false }
    assert_verified Certificates.localhost, options, ssl_verify_peer: ->(*) { true }
  end

  def test_the_program_cannot_accept_what_verification_rejects
    assert_rejected issued("DNS:example.com"), { verify_peer: true }, ssl_verify_peer: ->(*) { true }
    assert_rejected Certificates.self_signed("localhost"), { verify_peer: true }, ssl_verify_peer: ->(*) { true }
  end

  def test_without_verify_peer_ssl_verify_peer_is_not_called
    client = client_of(Certificates.localhost, ssl_verify_peer: ->(*) { flunk "asked" })
    refute_includes client.events, :ssl_verify_peer
  end

  def test_get_tls_verdict_says_what_is_wrong
    assert_equal "ok", verdict_of(Certificates.localhost, { verify: true, hostname: "localhost" })
    assert_match(/expired/, verdict_of(issued("DNS:localhost", valid: (Time.now - 7200)..(Time.now - 3600)),
                                       { verify_peer: true }))
    assert_match(/self.signed/, verdict_of(Certificates.self_signed("localhost"), { verify_peer: true }))
  end

  def verdict_of(credentials, options)
    verdict = nil
    run_pair({ ca_pem: Certificates.root.cert, **options },
             { cert: credentials.chain, private_key: credentials.private_key },
             client: { ssl_verify_peer: ->(*) { true }, unbind: ->(*) { EM.stop },
                       ssl_handshake_completed: lambda { |it|
                         verdict = it.get_tls_verdict
                         it.close_connection
                       } })
    verdict
  end

  def test_without_verification_there_is_no_verdict
    assert_nil verdict_of(Certificates.self_signed("localhost"), { ca_pem: nil })
  end

  def test_the_verdict_is_also_about_the_name
    assert_equal "ok", verdict_of(Certificates.localhost, { verify_peer: true, hostname: "localhost" })
    %i[hostname sni_hostname].each do |option|
      assert_match(/hostname mismatch.*example\.com/i, verdict_of(Certificates.localhost, { verify_peer: true, option => "example.com" }))
    end
  end

  def test_get_tls_verdict_within_ssl_verify_peer_is_about_its_certificate
    verdicts = []
    run_pair({ verify_peer: true, ca_pem: Certificates.root.cert },
             expired_credentials,
             client: { ssl_verify_peer: lambda { |it, _|
               verdicts << it.get_tls_verdict
               true
             }, ssl_handshake_completed: ->(it) { it.close_connection } })
    assert_includes verdicts.join, "expired"
  end

  def expired_credentials
    expired = issued("DNS:localhost", valid: (Time.now - 7200)..(Time.now - 3600))
    { cert: expired.cert, private_key: expired.private_key }
  end

  def test_a_server_verifies_its_clients
    client = { cert: Certificates.client.cert, private_key: Certificates.client.private_key }
    verifying = { verify: true, ca_pem: Certificates.root.cert }
    assert_verified Certificates.localhost, client, server: verifying
    stranger = Certificates.self_signed("client")
    [{ cert: stranger.cert, private_key: stranger.private_key }, {}].each do |options|
      client_of(Certificates.localhost, options, server: verifying)
      assert_equal ["", Errno::EPROTO], [@accepted.received, @accepted.reason]
      refute_includes @accepted.events, :ssl_handshake_completed
    end
  end

  def test_a_server_may_accept_clients_without_a_certificate
    assert_verified Certificates.localhost, {}, server: { verify: true, ca_pem: Certificates.root.cert,
                                                          fail_if_no_peer_cert: false }
  end

  def test_a_server_that_verifies_needs_authorities
    in_reactor do
      port = server(post_init: ->(it) { assert_raises(ArgumentError) { it.start_tls(localhost(verify: true)) } })
      client(port, unbind: ->(*) { EM.stop })
    end
  end

  # With an anonymous cipher, which only security level 0 allows, a server shows no certificate.
  def test_a_server_that_shows_no_certificate_is_rejected
    [{ verify: true, hostname: "localhost", ca_pem: Certificates.root.cert }, { verify_peer: true }].each do |options|
      opened = nil
      reactor do
        port = openssl_server(ciphers: "AECDH:@SECLEVEL=0", max_version: :TLS1_2) { |tls| tls.write("not verified") }
        opened = tls_client(port, { cipher_list: "ALL:@SECLEVEL=0", **options }, ssl_verify_peer: ->(*) { true })
      end
      assert_equal ["", Errno::EPROTO], [opened.received, opened.reason]
      refute_includes opened.events, :ssl_handshake_completed
    end
  end

  def test_clients_that_verify_nothing_are_counted
    counts = []
    reactor do
      port = tls_server(localhost)
      counts << EM.stats[:tls_unverified_clients]
      tls_client(port, {}, ssl_handshake_completed: lambda { |*|
        counts << EM.stats[:tls_unverified_clients]
        tls_client(port, { verify: true, hostname: "localhost", ca_pem: Certificates.root.cert },
                   ssl_handshake_completed: lambda { |*|
                     counts << EM.stats[:tls_unverified_clients]
                     EM.stop
                   })
      })
    end
    assert_equal [0, 1, 1], counts
  end
end
