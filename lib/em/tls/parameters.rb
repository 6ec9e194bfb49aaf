# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

module EventMachine
  # The checked options of {Connection#start_tls}.
  # @private
  class TLSParameters
    TEXTS = %i[sni_hostname cipher_list ecdh_curve dhparam hostname ca_file ca_path ca_pem].freeze
    AUTHORITIES = %i[ca_file ca_path ca_pem].freeze
    OTHERS = %i[verify verify_peer fail_if_no_peer_cert session_tickets handshake_timeout alpn certificates
                ssl_version].freeze
    NAMES = (TLSCredentials::NAMES + TEXTS + OTHERS).freeze

    # The options of a single connection. All others belong to the context, which connections share.
    OF_CONNECTION = %i[sni_hostname hostname handshake_timeout].freeze

    ADDRESS = Regexp.union(Resolv::IPv4::Regex, Resolv::IPv6::Regex).freeze

    PROTOCOLS = { "sslv2" => EM_PROTO_SSLv2, "sslv3" => EM_PROTO_SSLv3, "tlsv1" => EM_PROTO_TLSv1,
                  "tlsv1_1" => EM_PROTO_TLSv1_1, "tlsv1_2" => EM_PROTO_TLSv1_2, "tlsv1_3" => EM_PROTO_TLSv1_3 }.freeze

    # @param options [Hash] as the program gave them
    # @param protocols [Integer] the sum of the constants `EM_PROTO_…`, instead of `:ssl_version`; 0: not given
    # @see Connection#start_tls the exceptions
    def initialize(options, protocols = 0)
      raise TypeError, "the options of TLS must be a Hash, not #{options.class}" unless options.is_a?(Hash)

      @files = []
      @given = TLSCredentials.check(options, @files)
      put(:versions, protocols.zero? ? versions(options[:ssl_version]) : protocols)
      @given.update(TLSValues.texts(options, TEXTS))
      # In 1.x, only true itself counts for these.
      put(:verify_peer, options[:verify_peer] == true || nil)
      put_fail_if_no_peer_cert(options[:fail_if_no_peer_cert])
      put(:verify, TLSValues.switch(:verify, options[:verify]))
      put(:session_tickets, TLSValues.switch(:session_tickets, options[:session_tickets]))
      put(:handshake_timeout, TLSValues.duration(:handshake_timeout, options[:handshake_timeout]))
      put(:alpn, TLSValues.protocols(options[:alpn]))
      put(:certificates, certificates(options[:certificates]))
      check_authorities
    end

    # Adds the options of an earlier attempt on the same connection that are not given now.
    # @param earlier [TLSParameters, nil]
    # @return [self]
    def add(earlier)
      return self unless earlier

      before = TLSCredentials.replaceable(earlier.given, @given)
      before = before.reject { |name, _| AUTHORITIES.include?(name) } if authorities?
      @given = before.merge(@given)
      @files |= earlier.files
      self
    end

    # Which side has the certificate. It is a server unless the options name the peer or trust the system's
    # authorities.
    # @return [Boolean, nil] true for a server, false for a client; nil if there is no certificate
    def side_with_certificate
      return true if @given[:certificates]
      return unless TLSCredentials.certificate?(@given)

      !(@given[:hostname] || @given[:sni_hostname] || (@given[:verify] && !authorities?))
    end

    # @param host [String, nil] the host name to verify if the options have none
    # @return [TLSParameters] a copy for a client, which verifies the server unless the options say otherwise. Unlike in
    #   1.x, a certificate without a key is not ignored
    def for_verifying_client(host)
      copy = dup
      copy.given = TLSCredentials.with_key(@given)
      copy.given[:verify] = true unless decided?
      copy.given[:sni_hostname] ||= host if host && !@given[:hostname]
      copy
    end

    # @param server [Boolean]
    # @return [self]
    # @raise [ArgumentError, InvalidPrivateKey] if the options are not valid for this side
    def check_for(server)
      server ? check_for_server : check_for_client
      self
    end

    # @param server [Boolean]
    # @return [Hash{Symbol => Object}] the settings of the context, see {TLSSettings}
    # @raise [BadParams] if no version can be used
    def settings(server)
      server ? TLSSettings.for_server(@given) : TLSSettings.for_client(@given)
    end

    # @return [String, nil] the host name to ask the server for (SNI), which cannot be an address
    def server_name
      name = @given[:sni_hostname] || @given[:hostname]
      name unless name && ADDRESS.match?(name.b)
    end

    # @return [String, nil] the host name or address that the server's certificate must be for; with `verify_peer`
    #   alone, the one that the verdict is about
    def verified_name
      @given[:hostname] || @given[:sni_hostname] if judges?
    end

    # @param message [String] the library's about a name. It calls the options hostname and server_name
    # @return [String, nil] the message by the options of start_tls; nil if it is about something else
    def name_refusal(message)
      order = { "hostname" => %i[hostname sni_hostname], "server_name" => %i[sni_hostname hostname] }[message[/\A\w+/]]
      option = order&.find { |name| @given[name] } or return
      TLSValues.refusal(option, "a host name in ASCII or an IP address", @given[option])
    end

    # @return [Boolean] whether the library or the program judges the peer's certificate
    def judges?
      @given[:verify] || @given[:verify_peer] || false
    end

    # @return [Float, nil] seconds
    def handshake_timeout
      @given[:handshake_timeout]
    end

    # @return [Boolean] whether no file has changed
    def current?
      @files.all? { |file| TLSValues.current?(file) }
    end

    # @return [Array] differs if a file has changed; also for files that do not exist
    def file_states
      @files.map { |path, *| TLSValues.state(path) }
    end

    # @return [Array] equal for parameters whose contexts may be shared
    def key
      [@given.reject { |name, _| OF_CONNECTION.include?(name) }, @files]
    end

    # @return [String] without keys
    def inspect
      "#<#{self.class.name}>"
    end

    protected

    attr_accessor :given
    attr_reader :files

    private

    def put(name, value)
      @given[name] = value unless value.nil?
    end

    # false matters with `verify`, where a certificate is required otherwise.
    def put_fail_if_no_peer_cert(value)
      put(:fail_if_no_peer_cert, value) if value == true || value == false
    end

    # @return [Integer, nil] the sum of the constants `EM_PROTO_…`
    def versions(names)
      names = Array(names)
      return if names.empty?

      names.map do |name|
        PROTOCOLS.fetch(name.to_s.downcase) { raise "Unrecognized SSL/TLS Protocol: #{name}" }
      end.reduce(:|)
    end

    # @return [Hash{String => Hash}, nil]
    def certificates(by_name)
      return if by_name.nil?
      raise TypeError, TLSValues.refusal(:certificates, "a Hash of names and Hashes", by_name) unless by_name.is_a?(Hash)

      by_name.to_h do |name, options|
        raise TypeError, "certificates: #{name.inspect} needs a Hash" unless name.is_a?(String) && options.is_a?(Hash)

        [name.dup.freeze, credentials(name, options)]
      end
    end

    def credentials(name, options)
      TLSValues.check_names(options, TLSCredentials::NAMES)
      TLSCredentials.check(options, @files)
    rescue BadParams, FileNotFoundException, TypeError, ArgumentError => e
      raise e.class, "certificates: #{name.inspect}: #{e.message}"
    end

    def check_authorities
      %i[ca_file ca_path].each { |name| @files << TLSValues.identity(@given[name]) if @given[name] }
      return unless @given[:ca_file] && @given[:ca_pem]

      raise BadCertParams, "Specifying both ca_file and ca_pem not allowed"
    end

    # Whether the options say how to verify, or that it is not wanted.
    def decided?
      !@given[:verify].nil? || @given[:verify_peer]
    end

    def authorities?
      AUTHORITIES.any? { |name| @given.key?(name) }
    end

    # A host name or authorities without verification would only seem to protect.
    def check_for_client
      if !decided? && (@given[:hostname] || authorities?)
        raise ArgumentError, "hostname, ca_file, ca_path and ca_pem need verify: true"
      end
      return unless @given[:verify] && !verified_name

      raise ArgumentError, "verify: true needs hostname: or sni_hostname:"
    end

    def check_for_server
      identify_dh_parameters
      return unless @given[:verify] && !authorities?

      raise ArgumentError, "verify: true of a server needs ca_file:, ca_path: or ca_pem:"
    end

    def identify_dh_parameters
      path = @given[:dhparam]
      @files << TLSValues.identity(path) if path
    rescue FileNotFoundException
      raise InvalidPrivateKey, "dhparam: BIO_new_file(#{path}) failed"
    end
  end
end
