# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "em/tls/values"
require "em/tls/credentials"
require "em/tls/settings"
require "em/tls/parameters"
require "em/tls/contexts"
require "em/tls/pending"
require "em/tls/recent"
require "em/tls/start"
require "em/tls/options"
require "em/tls/tls"

module EventMachine
  private_constant :TLSValues, :TLSCredentials, :TLSSettings, :TLSParameters, :TLSContext, :TLSContexts, :TLSPending,
                   :TLSRecent, :TLSStart, :TLSOptions

  # @!method self.ssl?
  #   @return [Boolean] whether EventMachine was built with OpenSSL; if not, there is no TLS

  module_function

  # Sets the parameters with which {EventMachine.start_tls} will start TLS. {Connection#start_tls} does both.
  #
  # nil and "" mean that an argument is not given. The arguments other than these are options of {Connection#start_tls}.
  # @param signature [Integer] of a connection. If the connection is gone, nothing happens
  # @param protocols [Integer] the sum of the constants `EM_PROTO_…`; 0 for the default versions
  # @return [nil]
  # @raise [RuntimeError] if TLS has been started already
  # @see Connection#start_tls the other exceptions
  def set_tls_parms(signature, private_key_file, private_key, private_key_pass, cert_chain_file, cert, verify_peer,
                    fail_if_no_peer_cert, sni_hostname, cipher_list, ecdh_curve, dhparam, protocols)
    options = { private_key_file: private_key_file, private_key: private_key, private_key_pass: private_key_pass,
                cert_chain_file: cert_chain_file, cert: cert, verify_peer: verify_peer,
                fail_if_no_peer_cert: fail_if_no_peer_cert, sni_hostname: sni_hostname, cipher_list: cipher_list,
                ecdh_curve: ecdh_curve, dhparam: dhparam }
    TLSStart.prepare(signature, TLSParameters.new(options, Integer(protocols)))
  end

  # Starts TLS with the parameters that {EventMachine.set_tls_parms} has set, or with the defaults.
  #
  # @param signature [Integer] of a connection. If the connection is gone, nothing happens
  # @return [nil]
  # @raise [InvalidPrivateKey] if TLS has been started already
  # @see Connection#start_tls the other exceptions
  def start_tls(signature)
    raise InvalidPrivateKey, "SSL/TLS already running on connection" if TLSStart.running?(signature)

    TLSStart.start(signature, TLSParameters.new({}))
  end

  class Connection
    # Starts TLS: as the server if the connection was accepted, otherwise as the client. Call it in `post_init` to
    # protect the whole connection, or later, after an exchange in the clear (STARTTLS). What is sent before the
    # handshake ends is queued. What was received before is plaintext, and everything that follows belongs to TLS.
    #
    # By default **nothing is verified**, as in EventMachine 1.x: a client needs `verify: true` and `hostname:` to be
    # sure which server it talks to.
    #
    # @param args [Hash, TLS] options. nil and "" mean that an option is not given; unknown names are ignored
    # @option args [String] :private_key_file the path of a private key in PEM form
    # @option args [String] :private_key the key itself, instead of a file
    # @option args [String] :private_key_pass the passphrase of the key
    # @option args [String] :cert_chain_file the path of a certificate in PEM form, followed by those of its issuers
    # @option args [String] :cert the certificates themselves, instead of a file. By default a server has a self-signed
    #   certificate, and a client has none
    # @option args [Boolean] :verify_peer true: {#ssl_verify_peer} judges each certificate of the peer
    # @option args [Boolean] :fail_if_no_peer_cert for servers. true with `verify_peer`: clients without a certificate
    #   are refused. false with `verify`: they are accepted
    # @option args [Boolean] :verify true for clients: the server's certificate must be valid, issued by a trusted
    #   authority, and match `hostname`. true for servers: clients must have a valid certificate issued by a trusted
    #   authority. `ssl_verify_peer` is called only if `verify_peer` is true as well, and can only reject more. false:
    #   the program states that it does not want verification
    # @option args [String] :hostname for clients with `verify`: the host name or IP address that the server's
    #   certificate must be for. By default `sni_hostname`
    # @option args [String] :sni_hostname for clients: the host name to ask for. By default `hostname`, unless it is an
    #   IP address
    # @option args [String] :ca_file the path of certificates of trusted authorities in PEM form
    # @option args [String] :ca_path a directory of such files, prepared by openssl-rehash(1)
    # @option args [String] :ca_pem the certificates themselves, instead of a file. If no authorities are given, clients
    #   trust the system's
    # @option args [Array<String>, String] :alpn the names of application protocols (ALPN), the preferred one first
    # @option args [Hash{String => Hash}] :certificates for servers: additional certificates by the host name that a
    #   client asks for (SNI), which may begin with "*.". The values have the options for a certificate and its key
    # @option args [Numeric] :handshake_timeout how many seconds the handshake may take. By default 10
    # @option args [Boolean] :session_tickets whether sessions may be resumed. By default true
    # @option args [String] :cipher_list the ciphers of TLS 1.2 and older versions, as in openssl-ciphers(1)
    # @option args [String, Symbol, Array<String, Symbol>] :ssl_version the allowed versions: TLSv1, TLSv1_1, TLSv1_2,
    #   TLSv1_3
    # @option args [String] :ecdh_curve for servers: the curve for the key exchange
    # @option args [String] :dhparam for servers: the path of Diffie-Hellman parameters in PEM form
    # @return [nil] also if the connection is gone
    # @raise [FileNotFoundException] if a file does not exist
    # @raise [BadPrivateKeyParams, BadCertParams, BadParams] if an item is given twice, a key is given without a
    #   certificate, a certificate cannot be used, or no version or cipher can be used
    # @raise [InvalidPrivateKey] if a key cannot be read or does not match its certificate, a passphrase is wrong or
    #   missing, or `dhparam` or `ecdh_curve` cannot be used
    # @raise [ArgumentError, TypeError] if another value is invalid; if a client has `verify` without a name, or a
    #   server has `verify` without authorities; if a client has `hostname` or authorities, but neither `verify`, which
    #   may be false, nor `verify_peer`
    # @raise [RuntimeError] if a version is unknown, TLS has been started already, or is not available ({EM.ssl?})
    def start_tls(args = {})
      args.is_a?(TLS) ? args.start(@signature) : TLSStart.start_with_options(@signature, args)
    end

    # @!group Callbacks

    # Called for each certificate of the peer's chain, from the issuers' to the peer's own, if TLS was started with
    # `verify_peer: true`, also for a resumed session. It may be called more than once for the same certificate. If it
    # raises, the certificate is rejected.
    # @param certificate [String] in PEM form
    # @return [Boolean] whether to accept it. The default implementation rejects all
    # @see get_tls_verdict
    def ssl_verify_peer(certificate)
    end

    # Called once, when the TLS handshake is complete, before the first `receive_data` with decrypted data.
    def ssl_handshake_completed
    end

    # @!endgroup

    # @return [String, nil] the peer's certificate in PEM form; nil if it has none, and without TLS
    def get_peer_cert
      EventMachine.get_peer_cert(@signature)
    end

    # @return [Array<String>, nil] the peer's certificate and those of its issuers, as far as they are known, in PEM
    #   form; nil without TLS
    def get_peer_cert_chain
      EventMachine.get_peer_cert_chain(@signature)
    end

    # @return [Integer, nil] the length of the cipher's key in bits; nil before the handshake is complete
    def get_cipher_bits
      EventMachine.get_cipher_bits(@signature)
    end

    # @return [String, nil] "TLS_AES_256_GCM_SHA384", for example; "(NONE)" before the handshake is complete; nil
    #   without TLS
    def get_cipher_name
      EventMachine.get_cipher_name(@signature)
    end

    # @return [String, nil] "TLSv1.3", for example; "(NONE)" before the handshake is complete; nil without TLS
    def get_cipher_protocol
      EventMachine.get_cipher_protocol(@signature)
    end

    # @return [String, nil] the host name that the client asks for (SNI)
    def get_sni_hostname
      EventMachine.get_sni_hostname(@signature)
    end

    # @return [String, nil] the application protocol that the server has chosen (ALPN)
    def get_alpn_protocol
      EventMachine.get_alpn_protocol(@signature)
    end

    # The library's verdict on the peer's certificate, its issuers and, with `hostname` or `sni_hostname`, its name.
    # Within {#ssl_verify_peer}, on the certificate at hand.
    # @return [String, nil] "ok", or what is wrong. nil if there is no certificate, and with neither `verify: true` nor
    #   `verify_peer: true`, because nothing was verified
    def get_tls_verdict
      EventMachine.get_tls_verdict(@signature)
    end

    # @return [Boolean] whether an earlier session was resumed, instead of a full handshake
    def tls_session_resumed?
      EventMachine.tls_session_resumed?(@signature)
    end
  end
end
