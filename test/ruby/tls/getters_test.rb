# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# The getters of a connection's TLS before, during and after it, and without TLS.

require_relative "../support/tls_peers"

class TLSGettersTest < TLSTest
  repeat_under_gc_pressure

  GETTERS = %i[get_peer_cert get_cipher_bits get_cipher_name get_cipher_protocol get_sni_hostname].freeze

  def values(connection)
    GETTERS.map { |name| connection.public_send(name) }
  end

  def test_getters_after_the_handshake
    of_client = of_server = nil
    run_pair({ sni_hostname: "localhost" }, localhost,
             client: { receive_data: lambda { |it, _|
               of_client = values(it)
               it.close_connection
             } },
             server: { ssl_handshake_completed: lambda { |it|
               of_server = values(it)
               it.send_data("!")
             } })
    certificate, bits, name, protocol, host = of_client
    assert_equal [Certificates.localhost.cert, "TLSv1.3", "localhost"], [certificate, protocol, host]
    assert_includes [128, 256], bits
    assert_match(/\ATLS_/, name)
    assert_equal [nil, bits, name, protocol, host], of_server
  end

  def test_a_server_knows_the_clients_certificate
    certificate = nil
    client_options = { cert: Certificates.client.cert, private_key: Certificates.client.private_key }
    run_pair(client_options, localhost(verify_peer: true),
             client: { receive_data: ->(it, _) { it.close_connection } },
             server: { ssl_verify_peer: ->(*) { true }, ssl_handshake_completed: lambda { |it|
               certificate = it.get_peer_cert
               it.send_data("!")
             } })
    assert_equal Certificates.client.cert, certificate
  end

  def test_without_a_server_name_get_sni_hostname_is_nil
    names = []
    run_pair({}, localhost, client: { receive_data: lambda { |it, _|
      names << it.get_sni_hostname
      it.close_connection
    } }, server: { ssl_handshake_completed: lambda { |it|
      names << it.get_sni_hostname
      it.send_data("!")
    } })
    assert_equal [nil, nil], names
  end

  def test_getters_before_the_handshake
    before = nil
    run_pair({}, localhost, client: { connection_completed: lambda { |it|
      before = values(it)
      it.close_connection
    } })
    assert_equal [nil, nil, "(NONE)", "(NONE)", nil], before
  end

  # The original ends the process here.
  def test_getters_return_nil_without_tls
    without = nil
    reactor do
      client(server, connection_completed: lambda { |it|
        without = values(it)
        EM.stop
      })
    end
    assert_equal [nil] * 5, without
  end

  def test_getters_return_nil_after_unbind
    opened, = run_pair({}, localhost, client: { ssl_handshake_completed: ->(it) { it.close_connection } })
    reactor { EM.next_tick { (@values = values(opened)) && EM.stop } }
    assert_equal [nil] * 5, @values
  end

  # The program's last chance to see them.
  def test_getters_work_in_unbind
    before = after = nil
    run_pair({}, localhost, client: { ssl_handshake_completed: lambda { |it|
      before = values(it)
      it.close_connection
    }, unbind: lambda { |it, _|
      after = values(it)
      EM.stop
    } })
    refute_nil before[0]
    assert_includes [before, [nil] * 5], after
  end

  def test_strings_are_the_programs_own
    run_pair({}, localhost, client: { ssl_handshake_completed: lambda { |it|
      it.get_peer_cert << "x"
      it.get_cipher_name << "x"
      assert_equal Certificates.localhost.cert, it.get_peer_cert
      it.close_connection
    } })
  end
end
