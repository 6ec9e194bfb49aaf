# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# Mistakes in the options of start_tls: each raises its own exception, before anything is sent, in a fixed order.

require "test_helper"
require_relative "../support/tls_peers"

class TLSParametersTest < TLSTest
  MISSING = "/nonexistent/file.pem"

  # @return [Exception] what start_tls raises on a new connection
  def refusal(options, of: Exception, server: false)
    raised = nil
    names = options.keys.inspect if options.is_a?(Hash)
    with_connection(server: server) { |it| raised = assert_raises(of, names) { it.start_tls(options) } }
    raised
  end

  # Runs the block with an open connection, accepted or opened, that has no TLS.
  def with_connection(server: true)
    reactor do
      check = lambda do |it|
        yield it
      ensure
        EM.stop
      end
      port = server(post_init: server ? check : nil)
      client(port, post_init: server ? nil : check)
    end
  end

  def assert_refused(error, message, options, server: false)
    raised = refusal(options, of: error, server: server)
    assert_instance_of error, raised
    message.is_a?(Regexp) ? assert_match(message, raised.message) : assert_equal(message, raised.message)
  end

  def root
    Certificates.root
  end

  def localhost_files
    { cert_chain_file: Certificates.localhost.chain_file, private_key_file: Certificates.localhost.key_file }
  end

  def test_missing_files_raise
    assert_refused EM::FileNotFoundException, "Could not find #{MISSING} for start_tls", { private_key_file: MISSING }
    assert_refused EM::FileNotFoundException, "Could not find #{MISSING} for start_tls", { cert_chain_file: MISSING }
  end

  def test_the_same_item_given_twice_raises
    assert_refused EM::BadPrivateKeyParams, "Specifying both private_key and private_key_file not allowed",
                   { private_key: root.private_key, private_key_file: root.key_file }
    assert_refused EM::BadCertParams, "Specifying both cert and cert_chain_file not allowed",
                   { cert: root.cert, cert_chain_file: root.cert_file }
  end

  def test_a_key_without_a_certificate_raises
    message = "You have specified a private key to use, but not the related cert"
    assert_refused EM::BadParams, message, { private_key: root.private_key }
    assert_refused EM::BadParams, message, { private_key_file: root.key_file }
  end

  def test_unknown_protocol_versions_raise
    assert_refused RuntimeError, "Unrecognized SSL/TLS Protocol: TLSv9", { ssl_version: "TLSv9" }
    assert_refused RuntimeError, "Unrecognized SSL/TLS Protocol: nonsense", { ssl_version: [:TLSv1_2, :nonsense] }
  end

  def test_the_first_of_several_mistakes_in_a_fixed_order_raises
    everything = { private_key_file: MISSING, private_key: "x", cert_chain_file: root.cert_file, cert: "x",
                   ssl_version: "TLSv9" }
    assert_refused EM::FileNotFoundException, /#{MISSING}/, everything
    everything[:private_key_file] = root.key_file
    assert_refused EM::BadPrivateKeyParams, /both private_key/, everything
    everything.delete(:private_key)
    assert_refused EM::BadCertParams, /both cert/, everything
    everything.delete(:cert)
    everything.delete(:cert_chain_file)
    assert_refused EM::BadParams, /not the related cert/, everything
    everything.delete(:private_key_file)
    assert_refused RuntimeError, /Unrecognized/, everything
  end

  def test_nil_and_the_empty_string_mean_not_given
    names = %i[private_key_file private_key private_key_pass cert_chain_file cert sni_hostname cipher_list ecdh_curve
               dhparam]
    with_connection do |it|
      assert_nil it.start_tls(names.to_h { |name| [name, ""] }.merge(ssl_version: nil, verify_peer: nil))
    end
    with_connection { |it| assert_nil it.start_tls(names.to_h { |name| [name, nil] }) }
  end

  def test_unknown_keys_and_string_keys_are_ignored
    with_connection { |it| assert_nil it.start_tls("private_key_file" => MISSING, nonsense: 1, "verify_peer" => true) }
  end

  def test_the_options_must_be_a_hash
    [nil, 5, [], "verify", [[:verify, true]]].each do |options|
      assert_refused TypeError, "the options of TLS must be a Hash, not #{options.class}", options
    end
  end

  def test_texts_that_are_no_ascii
    { hostname: "localhost", sni_hostname: "localhost", cert: root.cert, alpn: ["echo"], cert_chain_file: root.cert_file }
      .each do |name, value|
      %w[UTF-16LE UTF-32BE].each do |encoding|
        wide = value.is_a?(Array) ? value.map { |it| it.encode(encoding) } : value.encode(encoding)
        assert_refused ArgumentError, "#{name} is in #{encoding}", { verify: true, name => wide }
      end
    end
    assert_refused ArgumentError, /ASCII/, { verify: true, hostname: "\xff" }
  end

  def test_an_unreadable_inline_key_raises
    assert_refused EM::InvalidPrivateKey, /./, { private_key: "no key", cert: root.cert }
  end

  def test_a_wrong_passphrase_raises
    options = { private_key: root.private_key("right"), private_key_pass: "wrong", cert: root.cert }
    assert_refused EM::InvalidPrivateKey, /\Awrong passphrase for the encrypted private key in the text given/, options
    options[:private_key_file] = Certificates.write(options.delete(:private_key))
    assert_refused EM::InvalidPrivateKey, /\Awrong passphrase .* in #{options[:private_key_file]}/, options
  end

  def test_an_inline_key_that_does_not_match_its_certificate_raises
    assert_refused EM::InvalidPrivateKey, /mismatch/i,
                   { private_key: Certificates.localhost.private_key, cert: Certificates.client.cert }
  end

  def test_a_key_file_that_does_not_match_its_certificate_raises
    assert_refused EM::InvalidPrivateKey, /mismatch/i,
                   { private_key_file: root.key_file, cert_chain_file: Certificates.client.cert_file }
  end

  def test_an_unreadable_key_file_raises
    broken = Certificates.write("no key")
    error = refusal({ private_key_file: broken, cert_chain_file: root.cert_file }, server: true)
    assert_instance_of EM::InvalidPrivateKey, error
    assert_includes error.message, broken
  end

  def test_an_unreadable_certificate_raises
    key = { private_key: root.private_key }
    assert_refused EM::BadCertParams, /./, { cert: "no certificate", **key }
    broken = Certificates.write("no certificate")
    assert_refused EM::BadCertParams, /#{broken}/, { cert_chain_file: broken, **key }, server: true
  end

  # A client does not send a certificate without a key, as in 1.x.
  def test_a_certificate_without_a_key_raises_on_a_server_and_is_ignored_on_a_client
    assert_refused EM::InvalidPrivateKey, /./, { cert: root.cert }, server: true
    assert_refused EM::InvalidPrivateKey, /./, { cert_chain_file: root.cert_file }, server: true
    with_connection(server: false) { |it| assert_nil it.start_tls(cert: root.cert) }
  end

  def test_a_certificate_and_its_key_may_be_in_one_file
    both = Certificates.write(Certificates.localhost.chain + Certificates.localhost.private_key)
    with_connection { |it| assert_nil it.start_tls(cert_chain_file: both) }
    with_connection { |it| assert_nil it.start_tls(cert_chain_file: both, private_key_file: both) }
  end

  # OpenSSL would prompt on the terminal otherwise, which stops the process.
  def test_an_encrypted_key_without_its_passphrase_raises
    encrypted = Certificates.write(root.private_key("secret"))
    message = "a passphrase is needed for the encrypted private key in "
    assert_refused EM::InvalidPrivateKey, message + encrypted,
                   { private_key_file: encrypted, cert_chain_file: root.cert_file }
    assert_refused EM::InvalidPrivateKey, "#{message}the text given",
                   { private_key: root.private_key("secret"), cert: root.cert }
  end

  def test_a_passphrase_that_is_too_long
    assert_refused EM::InvalidPrivateKey, /passphrase is too long/,
                   { private_key: root.private_key("secret"), private_key_pass: "x" * 100_000, cert: root.cert }
  end

  def test_an_encrypted_key_is_used_with_its_passphrase
    encrypted = Certificates.write(root.private_key("secret"))
    with_connection do |it|
      assert_nil it.start_tls(private_key_file: encrypted, private_key_pass: "secret", cert_chain_file: root.cert_file)
    end
    with_connection do |it|
      assert_nil it.start_tls(private_key: root.private_key("secret"), private_key_pass: "secret", cert: root.cert)
    end
  end

  def test_unusable_dh_parameters_of_a_server_raise
    assert_refused EM::InvalidPrivateKey, "dhparam: BIO_new_file(#{MISSING}) failed",
                   localhost_files.merge(dhparam: MISSING), server: true
    broken = Certificates.write("nonsense")
    assert_refused EM::InvalidPrivateKey, "dhparam: PEM_read_bio_DHparams(#{broken}) failed",
                   localhost_files.merge(dhparam: broken), server: true
  end

  def test_an_unknown_curve_of_a_server_raises
    assert_refused EM::InvalidPrivateKey, "ecdh_curve: Unknown curve name: nonsense",
                   localhost_files.merge(ecdh_curve: "nonsense"), server: true
  end

  def test_a_client_ignores_dh_parameters_and_curves
    with_connection(server: false) { |it| assert_nil it.start_tls(dhparam: MISSING, ecdh_curve: "nonsense") }
  end

  def test_values_of_another_kind_are_named_with_their_option
    { { sni_hostname: 5 } => "sni_hostname must be a String, not 5", { ca_file: [] } => "ca_file must be a String, not []",
      { private_key: 5 } => "private_key must be a String, not Integer",
      { private_key_pass: :secret } => "private_key_pass must be a String, not Symbol",
      { alpn: [5] } => "alpn must be a String, not 5",
      { certificates: ["secret"] } => "certificates must be a Hash of names and Hashes, not Array",
      { certificates: { "a" => { cert: 5 } } } => 'certificates: "a": cert must be a String, not 5',
      { handshake_timeout: [] } => "handshake_timeout must be a positive number of seconds, not []" }.each do |options, message|
      assert_refused TypeError, message, options
    end
  end

  def test_values_that_cannot_be_used_are_named_with_their_option
    { { verify: 1 } => "verify must be true or false, not 1",
      { session_tickets: "no" } => 'session_tickets must be true or false, not "no"',
      { handshake_timeout: 0 } => "handshake_timeout must be a positive number of seconds, not 0",
      { handshake_timeout: "soon" } => 'handshake_timeout must be a positive number of seconds, not "soon"',
      { handshake_timeout: Float::NAN } => "handshake_timeout must be a positive number of seconds, not NaN",
      { alpn: ["h2", "x" * 256] } => "alpn must be names of 1 to 255 bytes, not \"#{"x" * 99}…",
      { cipher_list: "a\0b" } => 'cipher_list must be without zero bytes, not "a\u0000b"',
      { private_key_pass: "a\0b" } => "private_key_pass must be without zero bytes, not String" }.each do |options, message|
      assert_refused ArgumentError, message, options
    end
  end

  def test_malformed_host_names
    bad = "exam ple\n"
    { { verify: true, hostname: bad } => :hostname, { verify: true, sni_hostname: bad } => :sni_hostname,
      { sni_hostname: bad } => :sni_hostname,
      { verify: true, hostname: "localhost", sni_hostname: bad } => :sni_hostname,
      { verify: true, hostname: bad, sni_hostname: "localhost" } => :hostname }.each do |options, name|
      assert_refused ArgumentError, "#{name} must be a host name in ASCII or an IP address, not #{bad.inspect}", options
    end
  end

  def test_a_mistake_in_certificates_by_name_says_which
    stranger = { cert: root.cert, private_key: Certificates.client.private_key }
    assert_refused EM::InvalidPrivateKey, /\Acertificates: "a.example": the private key in .* does not belong/,
                   localhost_files.merge(certificates: { "a.example" => stranger }), server: true
    assert_refused ArgumentError, /\Acertificates: "a b": server_name "a b"/,
                   localhost_files.merge(certificates: { "a b" => localhost }), server: true
    assert_refused EM::FileNotFoundException, 'certificates: "a": Could not find /nonexistent for start_tls',
                   localhost_files.merge(certificates: { "a" => { cert_chain_file: "/nonexistent" } }), server: true
  end

  def test_an_unusable_cipher_list_raises
    assert_refused EM::BadParams, /nonsense/, { cipher_list: "nonsense" }
  end

  def test_after_an_exception_start_tls_may_be_called_again
    completed = []
    reactor do
      port = server_that_retries(completed)
      tls_client(port, {}, ssl_handshake_completed: ->(*) { completed << :client },
                           receive_data: ->(*) { EM.stop })
    end
    assert_equal [:client, :refused, :server], completed.sort
  end

  def server_that_retries(completed)
    script = { post_init: lambda { |it|
      begin
        it.start_tls(localhost.merge(private_key: "no key"))
      rescue EM::InvalidPrivateKey
        completed << :refused
      end
      it.start_tls(localhost)
      it.send_data("hello")
    }, ssl_handshake_completed: ->(*) { completed << :server } }
    port_of(EM.start_server("127.0.0.1", 0, TLSScripted, script))
  end

  def test_options_of_a_failed_start_tls_stay_set
    certificate = nil
    reactor do
      script = { post_init: lambda { |it|
        assert_raises(EM::InvalidPrivateKey) { it.start_tls(localhost.merge(ecdh_curve: "nonsense")) }
        it.start_tls(ecdh_curve: "prime256v1")
      } }
      port = port_of(EM.start_server("127.0.0.1", 0, TLSScripted, script))
      tls_client(port, {}, ssl_handshake_completed: lambda { |it|
        certificate = it.get_peer_cert
        EM.stop
      })
    end
    assert_equal Certificates.localhost.cert, certificate
  end

  def test_other_authorities_replace_those_of_a_refusal
    authorities = { ca_file: Certificates.root.cert_file, ca_pem: root.cert, ca_path: Certificates.directory_of(root.certificate) }
    broken = { ca_file: Certificates.write("nonsense"), ca_pem: "nonsense" }
    broken.to_a.product(authorities.to_a) do |bad, good|
      with_connection(server: false) do |it|
        assert_raises(EM::BadCertParams) { it.start_tls(verify: true, hostname: "localhost", **[bad].to_h) }
        assert_nil it.start_tls([good].to_h)
      end
    end
  end

  def test_starting_tls_twice_raises
    with_connection do |it|
      it.start_tls
      error = assert_raises(RuntimeError) { it.start_tls }
      assert_match(/already|before/i, error.message)
    end
  end

  def test_start_tls_does_nothing_after_unbind
    reactor do
      client(closed_port, unbind: lambda { |it, _|
        EM.next_tick do
          assert_nil it.start_tls
          EM.stop
        end
      })
    end
  end

  def test_on_a_closing_connection_nothing_happens
    ["", "still queued"].product(%i[close_connection close_connection_after_writing]).each do |data, close|
      received = nil
      reactor do
        port = server(unbind: lambda { |it, _|
          received = it.received
          EM.stop
        })
        client(port, post_init: lambda { |it|
          it.send_data(data)
          it.public_send(close)
          assert_nil it.start_tls
        })
      end
      assert_equal close == :close_connection ? "" : data, received
    end
  end

  def test_options_are_checked_even_after_unbind
    reactor do
      client(closed_port, unbind: lambda { |it, _|
        EM.next_tick do
          assert_raises(EM::FileNotFoundException) { it.start_tls(private_key_file: MISSING) }
          EM.stop
        end
      })
    end
  end
end
