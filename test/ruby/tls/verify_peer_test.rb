# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# ssl_verify_peer as in 1.x: with `verify_peer: true` the program alone judges each certificate of the peer's chain.

require_relative "../support/tls_peers"

class TLSVerifyPeerTest < TLSTest
  repeat_under_gc_pressure

  ACCEPT = ->(*) { true }

  def test_a_client_judges_the_servers_certificates
    client, = run_pair({ verify_peer: true }, localhost,
                       client: { ssl_verify_peer: ACCEPT, ssl_handshake_completed: ->(it) { it.close_connection } })
    assert_equal Certificates.localhost.cert, client.certificates.last
    assert_includes client.events, :ssl_handshake_completed
    assert_operator client.events.index(:ssl_verify_peer), :<, client.events.index(:ssl_handshake_completed)
  end

  def test_certificates_are_pem_texts
    client, = run_pair({ verify_peer: true }, localhost,
                       client: { ssl_verify_peer: ACCEPT, ssl_handshake_completed: ->(it) { it.close_connection } })
    client.certificates.each do |certificate|
      assert_equal Encoding::BINARY, certificate.encoding
      assert certificate.start_with?("-----BEGIN CERTIFICATE-----\n")
      assert certificate.end_with?("-----END CERTIFICATE-----\n")
    end
  end

  def test_the_issuers_certificate_comes_first_and_the_leaf_last
    chain = { cert_chain_file: Certificates.behind_intermediate.chain_file,
              private_key_file: Certificates.behind_intermediate.key_file }
    client, = run_pair({ verify_peer: true }, chain,
                       client: { ssl_verify_peer: ACCEPT, ssl_handshake_completed: ->(it) { it.close_connection } })
    subjects = client.certificates.map { |pem| OpenSSL::X509::Certificate.new(pem).subject.to_s }.uniq
    assert_equal ["/CN=Intermediate of the tests", "/CN=localhost"], subjects
  end

  def test_a_server_judges_the_clients_certificate
    client_options = { cert: Certificates.client.cert, private_key: Certificates.client.private_key }
    _, server = run_pair(client_options, localhost(verify_peer: true),
                         client: { receive_data: ->(it, _) { it.close_connection } },
                         server: { ssl_verify_peer: ACCEPT, ssl_handshake_completed: ->(it) { it.send_data("welcome") } })
    assert_equal Certificates.client.cert, server.certificates.last
  end

  def test_self_signed_and_expired_certificates_pass_if_the_program_accepts_them
    expired = Certificates.root.issue("localhost", valid: (Time.now - 7200)..(Time.now - 3600))
    [Certificates.self_signed("localhost"), expired].each do |credentials|
      client, = run_pair({ verify_peer: true }, { cert: credentials.cert, private_key: credentials.private_key },
                         client: { ssl_verify_peer: ACCEPT, ssl_handshake_completed: ->(it) { it.close_connection } })
      assert_includes client.events, :ssl_handshake_completed
    end
  end

  def test_nil_and_false_reject
    [nil, false].each do |answer|
      client, server = run_pair({ verify_peer: true }, localhost, client: { ssl_verify_peer: ->(*) { answer } })
      assert_equal Errno::EPROTO, client.reason
      refute_includes client.events, :ssl_handshake_completed
      refute_includes server.events, :receive_data
    end
  end

  def test_every_truthy_answer_accepts
    client, = run_pair({ verify_peer: true }, localhost,
                       client: { ssl_verify_peer: ->(*) { 0 }, ssl_handshake_completed: ->(it) { it.close_connection } })
    assert_nil client.reason
  end

  def test_the_default_method_rejects
    reason = nil
    plain = Class.new(EM::Connection) do
      define_method(:post_init) { start_tls(verify_peer: true) }
      define_method(:unbind) do |why|
        reason = why
        EM.stop
      end
    end
    reactor { EM.connect("127.0.0.1", tls_server(localhost), plain) }
    assert_equal Errno::EPROTO, reason
  end

  def test_a_rejection_of_the_leaf_alone_rejects
    chain = { cert: Certificates.behind_intermediate.chain, private_key: Certificates.behind_intermediate.private_key }
    leaf = Certificates.behind_intermediate.cert
    client, = run_pair({ verify_peer: true }, chain, client: { ssl_verify_peer: ->(_, pem) { pem != leaf } })
    assert_equal Errno::EPROTO, client.reason
  end

  def test_a_server_that_rejects_receives_nothing
    client_options = { cert: Certificates.client.cert, private_key: Certificates.client.private_key }
    _, server = run_pair(client_options, localhost(verify_peer: true),
                         client: { post_init: ->(it) { it.send_data("secret") } },
                         server: { ssl_verify_peer: ->(*) { false } })
    assert_equal "", server.received
    refute_includes server.events, :ssl_handshake_completed
    assert_equal Errno::EPROTO, server.reason
  end

  def test_without_a_peer_certificate_ssl_verify_peer_is_not_called
    client, server = run_pair({}, localhost(verify_peer: true),
                              client: { receive_data: ->(it, _) { it.close_connection } },
                              server: { ssl_handshake_completed: ->(it) { it.send_data("welcome") } })
    assert_equal "welcome", client.received
    refute_includes server.events, :ssl_verify_peer
  end

  def test_a_server_may_require_a_certificate
    client, server = run_pair({}, localhost(verify_peer: true, fail_if_no_peer_cert: true))
    assert_equal Errno::EPROTO, server.reason
    refute_includes server.events, :ssl_handshake_completed
    refute_includes client.events, :receive_data
  end

  def test_only_true_switches_verify_peer_on
    [1, "true", :yes].each do |value|
      client, = run_pair({ verify_peer: value }, localhost,
                         client: { ssl_handshake_completed: ->(it) { it.close_connection } })
      refute_includes client.events, :ssl_verify_peer
    end
  end

  def test_an_exception_rejects_and_leaves_run
    unbound = []
    error = assert_raises(RuntimeError) do
      run_pair({ verify_peer: true }, localhost,
               client: { ssl_verify_peer: ->(*) { raise "on purpose" }, unbind: ->(*) { unbound << 1 } })
    end
    assert_equal "on purpose", error.message
    assert_equal [1], unbound
  end

  def test_an_exception_rejects_and_goes_to_the_error_handler_once
    errors = []
    EM.error_handler { |error| errors << error.message }
    client, = run_pair({ verify_peer: true }, localhost, client: { ssl_verify_peer: ->(*) { raise "on purpose" } })
    assert_equal ["on purpose"], errors
    assert_equal Errno::EPROTO, client.reason
    refute_includes client.events, :ssl_handshake_completed
  end

  def test_throw_leaves_run
    result = catch(:left) do
      run_pair({ verify_peer: true }, localhost, client: { ssl_verify_peer: ->(*) { throw :left, :thrown } })
    end
    assert_equal :thrown, result
    assert_not_running
  end

  def test_an_error_of_rubys_openssl_in_the_callback_does_no_harm
    other = Certificates.self_signed("other")
    client, = run_pair({ verify_peer: true }, localhost,
                       client: { ssl_verify_peer: lambda { |_, pem|
                         OpenSSL::X509::Certificate.new(pem).verify(other.key)
                         OpenSSL::X509::Certificate.new("nonsense") rescue nil # rubocop:disable Style/RescueModifier
                         true
                       }, ssl_handshake_completed: ->(it) { it.send_data("ping") },
                         receive_data: ->(it, _) { it.close_connection } },
                       server: { receive_data: ->(it, data) { it.send_data(data) } })
    assert_equal "ping", client.received
  end

  def test_the_callback_may_close_the_connection
    client, = run_pair({ verify_peer: true }, localhost, client: { ssl_verify_peer: lambda { |it, _|
      it.close_connection
      true
    } })
    refute_includes client.events, :ssl_handshake_completed
    assert_equal 1, client.events.count(:unbind)
  end

  # @return [Hash{Symbol => #call}] what a program may do to its connection
  def actions
    { close: ->(it) { 2.times { it.close_connection } }, close_after_writing: :close_connection_after_writing.to_proc,
      pause: :pause.to_proc, pause_and_resume: ->(it) { it.pause && it.resume },
      send: ->(it) { it.send_data("x" * 100_000) }, start_tls: ->(it) { assert_raises(RuntimeError) { it.start_tls } },
      receive_into: ->(it) { EM.receive_into(it, +"") }, timeout: ->(it) { it.comm_inactivity_timeout = 5 },
      reconnect: ->(it) { it.reconnect("127.0.0.1", 1) }, collect: ->(_) { GC.start } }
  end

  def test_the_callback_may_do_anything_to_its_connection
    actions.each do |name, action|
      client, = run_pair({ verify_peer: true }, localhost, client: { ssl_verify_peer: lambda { |it, _|
        action.call(it)
        EM.next_tick { it.close_connection }
        true
      } })
      assert_equal 1, client.events.count(:unbind), name
    end
  end

  def test_the_callback_may_stop_the_reactor
    client, = run_pair({ verify_peer: true }, localhost, client: { ssl_verify_peer: ->(*) { EM.stop } })
    assert_equal 1, client.events.count(:unbind)
    assert_not_running
  end

  def test_getters_work_within_the_callback
    seen = nil
    run_pair({ verify_peer: true }, localhost, client: { ssl_verify_peer: lambda { |it, _|
      seen = [it.get_cipher_bits.class, it.get_peername.class, it.error?]
      true
    }, ssl_handshake_completed: ->(it) { it.close_connection } })
    assert_equal String, seen[1]
    refute seen[2]
  end
end
