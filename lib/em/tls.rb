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
require "em/tls/tls"

module EventMachine
  private_constant :TLSValues, :TLSCredentials, :TLSSettings, :TLSParameters, :TLSContext, :TLSContexts, :TLSPending,
                   :TLSRecent, :TLSStart

  # @!method self.ssl?
  #   @return [Boolean] whether this EventMachine was built with TLS

  module_function

  # Sets parameters of a connection for {EventMachine.start_tls}. {Connection#start_tls} does both.
  #
  # @param signature [Integer] a connection's. If it is gone, nothing happens
  # @param protocols [Integer] the sum of the constants EM_PROTO_...; 0 for the default
  # @return [nil]
  # @raise [RuntimeError] if TLS has been started already
  # @see Connection#start_tls the exceptions; "" means that a text is not given
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
  # @param signature [Integer] a connection's. If it is gone, nothing happens
  # @return [nil]
  # @raise [InvalidPrivateKey] if TLS has been started already, or as {Connection#start_tls}
  def start_tls(signature)
    raise InvalidPrivateKey, "SSL/TLS already running on connection" if TLSStart.running?(signature)

    TLSStart.start(signature, TLSParameters.new({}))
  end

  class Connection
    # Starts TLS: as the server if the connection was accepted, else as the client. Call it in `post_init` to protect
    # the whole connection, or later, after an exchange in the clear (STARTTLS). What is sent before the handshake ends
    # is queued; what was received before is the program's, and everything that follows belongs to TLS.
    #
    # By default **nothing is verified**, as in EventMachine 1.x: a client needs `verify: true` and `hostname:` to know
    # whom it talks to.
    #
    # @param args [Hash, TLS] options. nil and "" mean that a text is not given; names that are not known are ignored
    # @option args [String] :private_key_file the path of a private key in PEM form
    # @option args [String] :private_key or the key itself
    # @option args [String] :private_key_pass its passphrase
    # @option args [String] :cert_chain_file the path of a certificate in PEM form, followed by its issuers
    # @option args [String] :cert or the certificates themselves. A server without any has a self-signed one. A client's
    #   are ignored without a key
    # @option args [Boolean] :verify_peer true: {#ssl_verify_peer} judges each certificate of the peer
    # @option args [Boolean] :fail_if_no_peer_cert true, for servers with `verify_peer`: refuses clients without a
    #   certificate. false, for servers with `verify`: accepts them
    # @option args [Boolean] :verify true, for clients: the server's certificate must be valid, issued by a known
    #   authority, and for this host. For servers: clients must have a certificate of a known authority.
    #   `ssl_verify_peer` is only called if `verify_peer` is true as well, and may reject more
    # @option args [String] :hostname for clients with `verify`: the host name or IP address that must be in the
    #   server's certificate. By default `sni_hostname`
    # @option args [String] :sni_hostname for clients: the name of the host to ask for. By default `hostname`
    # @option args [String] :ca_file the path of certificates of authorities in PEM form
    # @option args [String] :ca_path a directory with such files, named as c_rehash(1) does
    # @option args [String] :ca_pem or the certificates themselves. By default the system's, for clients
    # @option args [Array<String>, String] :alpn names of application protocols, the preferred one first
    # @option args [Hash{String => Hash}] :certificates for servers: other certificates by the name of the host that a
    #   client asks for, which may begin with "*.". The values have the options for key and certificate
    # @option args [Numeric] :handshake_timeout seconds that the handshake may take. By default 10
    # @option args [Boolean] :session_tickets whether sessions may be resumed. By default true. Clients resume those of
    #   the same host and port that had equal options
    # @option args [String] :cipher_list ciphers of TLS 1.2 and before, as in openssl-ciphers(1)
    # @option args [String, Symbol, Array] :ssl_version the allowed versions: TLSv1, TLSv1_1, TLSv1_2, TLSv1_3
    # @option args [String] :ecdh_curve for servers: the curve for the exchange of keys
    # @option args [String] :dhparam for servers: the path of Diffie-Hellman parameters in PEM form
    # @return [nil] also if the connection is gone
    # @raise [FileNotFoundException] if a file does not exist
    # @raise [BadPrivateKeyParams, BadCertParams, BadParams] for the same item given twice, a key without its
    #   certificate, something that is no certificate, or no usable cipher
    # @raise [InvalidPrivateKey] for a key that cannot be read or does not match its certificate, a wrong or missing
    #   passphrase, and bad `dhparam` or `ecdh_curve`
    # @raise [ArgumentError, TypeError] for other bad values; for `verify` without a name or, for servers, without
    #   authorities; and for clients with `hostname` or authorities, but neither `verify` nor `verify_peer`
    # @raise [RuntimeError] for an unknown version, if TLS has been started already, or if there is none ({EM.ssl?})
    def start_tls(args = {})
      args.is_a?(TLS) ? args.start(@signature) : TLSStart.start_with_options(@signature, args)
    end

    # @!group Callbacks

    # Called for each certificate of the peer's chain, the issuer's first and the peer's own last, if TLS was started
    # with `verify_peer: true`. A certificate may come more than once.
    # @param certificate [String] in PEM form
    # @return [Boolean] whether to accept it. This method accepts none
    # @see get_tls_verdict
    def ssl_verify_peer(certificate)
    end

    # Called when TLS is established, before the first data that it protects.
    def ssl_handshake_completed
    end

    # @!endgroup

    # @return [String, nil] the peer's certificate in PEM form
    def get_peer_cert
      EventMachine.get_peer_cert(@signature)
    end

    # @return [Array<String>, nil] the peer's certificate and those of its issuers, as far as they are known, in PEM
    #   form
    def get_peer_cert_chain
      EventMachine.get_peer_cert_chain(@signature)
    end

    # @return [Integer, nil] the length of the cipher's key
    def get_cipher_bits
      EventMachine.get_cipher_bits(@signature)
    end

    # @return [String, nil] "TLS_AES_256_GCM_SHA384", for example; "(NONE)" before TLS is established; nil without TLS
    def get_cipher_name
      EventMachine.get_cipher_name(@signature)
    end

    # @return [String, nil] "TLSv1.3", for example; "(NONE)" before TLS is established; nil without TLS
    def get_cipher_protocol
      EventMachine.get_cipher_protocol(@signature)
    end

    # @return [String, nil] the name of the host that the client asks for
    def get_sni_hostname
      EventMachine.get_sni_hostname(@signature)
    end

    # @return [String, nil] the application protocol that both sides have agreed on
    def get_alpn_protocol
      EventMachine.get_alpn_protocol(@signature)
    end

    # What the library thinks of the peer's certificate, if TLS was started with `verify: true` or `verify_peer: true`;
    # without them, nobody has looked.
    # @return [String, nil] "ok", or what is wrong. nil if there is no certificate
    def get_tls_verdict
      EventMachine.get_tls_verdict(@signature)
    end

    # @return [Boolean] whether a session was resumed, for which no certificates are sent
    def tls_session_resumed?
      EventMachine.tls_session_resumed?(@signature)
    end
  end
end
