# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# Protocol versions, ciphers, curves and Diffie-Hellman parameters: the options decide what is negotiated.

require_relative "../support/tls_peers"

class TLSVersionsTest < TLSTest
  # @return [Array(String, String)] the version and the cipher that a client and our server agree on
  def agreed(client_options, server_options)
    result = nil
    run_pair(client_options, localhost(**server_options), client: { ssl_handshake_completed: lambda { |it|
      result = [it.get_cipher_protocol, it.get_cipher_name]
      it.close_connection
    } })
    result
  end

  def test_the_newest_version_is_negotiated_by_default
    assert_equal "TLSv1.3", agreed({}, {})[0]
  end

  def test_a_version_may_be_a_symbol_or_a_string_in_any_case
    [:TLSv1_2, "TLSv1_2", "tlsv1_2", ["TLSv1_2"], [:tlsV1_2, "TLSv1_2"]].each do |version|
      assert_equal "TLSv1.2", agreed({ ssl_version: version }, {})[0]
      assert_equal "TLSv1.2", agreed({}, { ssl_version: version })[0]
    end
    assert_equal "TLSv1.3", agreed({ ssl_version: %w[TLSv1_3] }, {})[0]
    assert_equal "TLSv1.3", agreed({ ssl_version: %w[TLSv1_2 TLSv1_3] }, {})[0]
  end

  def test_old_versions_work_if_the_cipher_list_allows_them
    old = { ssl_version: %w[TLSv1 TLSv1_1], cipher_list: "ALL:@SECLEVEL=0" }
    assert_equal "TLSv1.1", agreed(old, old)[0]
    assert_equal "TLSv1", agreed(old.merge(ssl_version: "TLSv1"), old)[0]
  end

  def test_the_cipher_list_is_used
    list = { ssl_version: :TLSv1_2, cipher_list: "ECDHE-ECDSA-AES256-GCM-SHA384" }
    assert_equal ["TLSv1.2", "ECDHE-ECDSA-AES256-GCM-SHA384"], agreed(list, {})
    assert_equal ["TLSv1.2", "ECDHE-ECDSA-AES256-GCM-SHA384"], agreed({}, list)
  end

  def test_the_curve_is_used
    reactor do
      talk_tls(tls_server(localhost(ecdh_curve: "secp384r1", ssl_version: :TLSv1_2))) do |tls|
        assert_match(/ECDHE/, tls.cipher[0])
        assert_equal 384, tls.tmp_key.group.degree
      end
    end
  end

  def test_dh_parameters_are_used
    rsa = Certificates.self_signed("localhost", key: OpenSSL::PKey::RSA.new(2048))
    options = { cert: rsa.cert, private_key: rsa.private_key, ssl_version: :TLSv1_2, cipher_list: "DHE-RSA-AES128-GCM-SHA256" }
    assert_diffie_hellman(2048, { **options, dhparam: Certificates.write(dh_parameters) })
    assert_diffie_hellman(2048, options)
  end

  def assert_diffie_hellman(bits, options)
    reactor do
      talk_tls(tls_server(options)) do |tls|
        assert_equal "DHE-RSA-AES128-GCM-SHA256", tls.cipher[0]
        assert_operator tls.tmp_key.p.num_bits, :>=, bits
      end
    end
  end

  # The group ffdhe2048 of RFC 7919: new parameters would take seconds.
  def test_a_server_with_shared_options_needs_the_file_of_parameters_only_once
    path = Certificates.write(dh_parameters)
    reactor do
      port = port_of(EM.start_server("127.0.0.1", 0, TLSScripted, tls: EM::TLS.new(localhost(dhparam: path))))
      File.delete(path)
      talk_tls(port) { |tls| assert_equal "TLSv1.3", tls.ssl_version }
    end
  end

  def dh_parameters
    <<~PEM
      -----BEGIN DH PARAMETERS-----
      MIIBCAKCAQEA//////////+t+FRYortKmq/cViAnPTzx2LnFg84tNpWp4TZBFGQz
      +8yTnc4kmz75fS/jY2MMddj2gbICrsRhetPfHtXV/WVhJDP1H18GbtCFY2VVPe0a
      87VXE15/V8k1mE8McODmi3fipona8+/och3xWKE2rec1MKzKT0g6eXq8CrGCsyT7
      YdEIqUuyyOP7uWrat2DX9GgdT0Kj3jlN9K5W7edjcrsZCwenyO4KbXCeAvzhzffi
      7MA0BM0oNC9hkXL+nOmFg/+OTxIy7vKBg8P+OxtMb61zO7X8vC7CIAXFjvGDfRaD
      ssbzSibBsu/6iGtCOGEoXJf//////////wIBAg==
      -----END DH PARAMETERS-----
    PEM
  end
end
