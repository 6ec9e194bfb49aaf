# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

module EventMachine
  # TLS options that many connections share. They are checked once, and their files are read once: with a certificate by
  # {new}, because it tells the side, and otherwise by the first `start_server` or `connect`.
  #
  #   tls = EM::TLS.new(cert_chain_file: "shop.pem", private_key_file: "shop.key")
  #   EM.start_server("0.0.0.0", 443, Shop, tls: tls)
  #
  #   EM.connect("shop.example.com", 443, Customer, tls: EM::TLS.new)
  #
  # Unlike with {Connection#start_tls}, **clients verify the server by default**. `verify: false` or `verify_peer: true`
  # changes that. The name to verify is `hostname` or `sni_hostname`, and by default the host passed to
  # {EventMachine.connect}.
  class TLS
    NAMES = (TLSParameters::NAMES + %i[ticket_keys]).freeze
    private_constant :NAMES

    # @param options [Hash] see {Connection#start_tls}
    # @option options [Array<String>, nil] :ticket_keys for servers, see {#ticket_keys=}
    # @raise [ArgumentError] for an unknown option
    # @raise [InvalidPrivateKey] for a certificate without a key, also for clients
    # @see Connection#start_tls the other exceptions
    def initialize(options = {})
      @parameters = TLSParameters.new(options)
      TLSValues.check_names(options, NAMES)
      @ticket_keys = TLSValues.ticket_keys(options[:ticket_keys])
      @options = options.dup
      @contexts = {}
      server = @parameters.side_with_certificate
      context(server) unless server.nil? || !EventMachine.ssl?
    end

    # Reads all files again, for connections that begin from now on. If anything is wrong with a file, nothing changes,
    # and an exception is raised. A plain `rescue` does not catch all of them.
    # @return [self]
    # @see Connection#start_tls the exceptions
    def reload
      parameters = TLSParameters.new(@options)
      @contexts = @contexts.to_h { |server, _| [server, create_context(parameters, server)] }
      @parameters = parameters
      self
    end

    # Sets the keys of session tickets, so that servers in processes or on machines that were started separately resume
    # each other's sessions. The first key encrypts, and all of them decrypt.
    #
    # Change them at least once a day, in two steps, because a server must know a key before another one uses it: first
    # give all servers the new key as the second one, then as the first one, with the earlier one behind it. Keep them
    # as secret as private keys: whoever has one can decrypt recorded connections of TLS 1.2.
    # @param keys [Array<String>, nil] up to 8 keys, 80 random bytes each (`SecureRandom.bytes(80)`). nil or none: the
    #   process makes its own, and changes them every hour
    # @raise [ArgumentError] for other values; nothing has changed then
    def ticket_keys=(keys)
      @ticket_keys = TLSValues.ticket_keys(keys)
      EventMachine.send(:set_tls_ticket_keys, @contexts[true], @ticket_keys) if @contexts[true]
    end

    # Makes a copy with a default for the host name, for connections that pass none to {EventMachine.connect}.
    # @param host [String, nil] the host name to verify if there is no `hostname`
    # @return [TLS] a copy. {#reload} of this object does not affect it
    def for_host(host)
      dup.tap { |copy| copy.host = host }
    end

    # Starts TLS on a connection, before it has sent anything.
    # @param host [String, nil] the host name of the server, for clients
    # @private
    def start(signature, host = nil)
      TLSStart.start_shared(signature, self, host)
    end

    # @param server [Boolean]
    # @return [TLSContext]
    # @private
    def context(server)
      @contexts[server] ||= create_context(@parameters, server)
    end

    # @param server [Boolean]
    # @param host [String, nil]
    # @return [TLSParameters] for a connection. Those of a server are checked with its context, once for all connections
    # @private
    def parameters(server, host)
      server ? @parameters : @parameters.for_verifying_client(host || @host).check_for(false)
    end

    # @return [String] without keys
    def inspect
      "#<#{self.class.name}>"
    end

    protected

    attr_writer :host

    private

    def create_context(parameters, server)
      raise Unsupported, "TLS is not available" unless EventMachine.ssl?

      parameters = server ? parameters.check_for(true) : parameters.for_verifying_client(nil)
      TLSContexts.create(parameters.settings(server)).tap do |context|
        EventMachine.send(:set_tls_ticket_keys, context, @ticket_keys) if server && @ticket_keys.any?
      end
    end
  end
end
