# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# The module functions that take a signature, which some libraries call directly.

require_relative "../support/tls_peers"

class TLSPrimitivesTest < TLSTest
  NOTHING = ["", "", "", "", "", nil, nil, "", "", "", "", 0].freeze

  # @return [Array] arguments of set_tls_parms
  def parameters(signature, key: "", cert: "", sni: "", mask: EM::EM_PROTO_TLSv1_2)
    [signature, "", key, "", "", cert, nil, nil, sni, "", "", "", mask]
  end

  def test_set_tls_parms_sets_the_options_of_start_tls
    protocol = nil
    reactor do
      port = port_of(EM.start_server("127.0.0.1", 0, TLSScripted, { post_init: lambda { |it|
        EM.set_tls_parms(*parameters(it.signature, key: Certificates.localhost.private_key,
                                                   cert: Certificates.localhost.cert))
        EM.start_tls(it.signature)
      } }))
      tls_client(port, {}, ssl_handshake_completed: lambda { |it|
        protocol = EM.get_cipher_protocol(it.signature)
        EM.stop
      })
    end
    assert_equal "TLSv1.2", protocol
  end

  def test_start_tls_alone_takes_the_defaults
    reactor do
      tls_client(tls_server(localhost), nil, connection_completed: ->(it) { EM.start_tls(it.signature) },
                                             ssl_handshake_completed: ->(*) { EM.stop })
    end
    assert_not_running
  end

  def test_starting_twice_raises
    reactor do
      tls_client(tls_server(localhost), {}, connection_completed: lambda { |it|
        error = assert_raises(EM::InvalidPrivateKey) { EM.start_tls(it.signature) }
        assert_equal "SSL/TLS already running on connection", error.message
        EM.stop
      })
    end
  end

  # The original ends the process.
  def test_setting_parameters_after_the_start_raises
    reactor do
      tls_client(tls_server(localhost), {}, connection_completed: lambda { |it|
        error = assert_raises(RuntimeError) { EM.set_tls_parms(*parameters(it.signature)) }
        assert_equal "call SetTlsParms before calling StartTls", error.message
        EM.stop
      })
    end
  end

  def test_getters_take_a_signature
    values = nil
    reactor do
      tls_client(tls_server(localhost), { sni_hostname: "localhost" }, ssl_handshake_completed: lambda { |it|
        names = %i[get_peer_cert get_cipher_bits get_cipher_name get_cipher_protocol get_sni_hostname]
        values = names.map { |name| [EM.public_send(name, it.signature), it.public_send(name)] }
        EM.stop
      })
    end
    values.each { |by_signature, of_object| assert_equal of_object, by_signature }
    refute_includes values.flatten, nil
  end

  def test_unknown_signatures_do_nothing
    in_reactor do
      [1_000_000_000, EM.start_server("127.0.0.1", 0)].each do |signature|
        assert_nil EM.start_tls(signature)
        assert_nil EM.set_tls_parms(signature, *NOTHING)
        %i[get_peer_cert get_cipher_bits get_cipher_name get_cipher_protocol get_sni_hostname].each do |name|
          assert_nil EM.public_send(name, signature)
        end
      end
    end
  end

  def test_a_signature_must_be_an_integer
    in_reactor do
      assert_raises(TypeError) { EM.start_tls("1") }
      assert_raises(TypeError) { EM.get_peer_cert(nil) }
      assert_raises(TypeError) { EM.set_tls_parms(nil, *NOTHING) }
    end
  end

  def test_a_wrong_number_of_arguments_raises
    assert_equal 13, EM.method(:set_tls_parms).arity
    %i[start_tls get_peer_cert get_cipher_bits get_cipher_name get_cipher_protocol get_sni_hostname].each do |name|
      assert_equal 1, EM.method(name).arity, name
      assert_includes EM.private_instance_methods, name
    end
    assert_includes EM.private_instance_methods, :set_tls_parms
    assert_equal 0, EM.method(:ssl?).arity
  end

  def test_parameters_of_connections_that_never_start_tls_are_forgotten
    name = "x" * 50
    100.times do
      in_reactor { client(server, post_init: ->(it) { EM.set_tls_parms(*parameters(it.signature, sni: name.dup)) }) }
    end
    GC.start
    assert_operator ObjectSpace.each_object(String).count { |text| text == name }, :<, 40
  end
end
