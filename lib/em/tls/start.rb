# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

module EventMachine
  # Starts TLS on connections.
  # @private
  module TLSStart
    @contexts = TLSContexts.new
    @pending = TLSPending.new
    @recent = TLSRecent.new

    class << self
      def running?(signature)
        role_of(signature) == :running
      end

      def server?(signature)
        role_of(signature) == :server
      end

      # Reports mistakes in the options of a server that begins to listen.
      # @param options [Hash]
      # @see Connection#start_tls the exceptions
      def check_server(options)
        find(:server, options) || remember(:server, options)
      end

      # Keeps parameters until TLS is started on the connection. Does nothing if the connection is gone.
      # @param parameters [TLSParameters]
      # @raise [RuntimeError] if TLS has been started already
      def prepare(signature, parameters)
        return unless startable_role(signature)

        @pending.keep(signature, parameters.add(@pending.take(signature)))
        nil
      end

      # @param options [Hash] as the program gave them
      # @see #start
      def start_with_options(signature, options)
        raise TypeError, "the options of TLS must be a Hash, not #{options.class}" unless options.respond_to?(:to_hash)

        role = role_of(signature)
        known = find(role, options) if role && role != :running && !@pending.for?(signature)
        return start_native(role == :server, signature, known.context, known.parameters) if known

        start(signature, TLSParameters.new(options)) do |parameters, context|
          @recent.keep(role, options, parameters, context)
        end
      end

      # Does nothing if the connection is gone. After a failure, the parameters are kept for another attempt. Yields if
      # TLS was started and no parameters had been kept.
      # @param parameters [TLSParameters] in addition to those that were kept
      # @yieldparam parameters [TLSParameters]
      # @yieldparam context [TLSContext]
      # @see Connection#start_tls the exceptions
      def start(signature, parameters)
        role = startable_role(signature) or return
        earlier = @pending.take(signature)
        context = start_as(role == :server, signature, parameters.add(earlier))
        started = true
        yield parameters, context if block_given? && !earlier
        nil
      ensure
        @pending.keep(signature, parameters) if role && !started
      end

      # Does nothing if the connection is gone.
      # @param tls [TLS]
      # @param host [String, nil] the host name of the server
      def start_shared(signature, tls, host)
        role = startable_role(signature) or return
        server = role == :server
        start_native(server, signature, tls.context(server), tls.parameters(server, host))
      end

      private

      def role_of(signature)
        EventMachine.send(:tls_role, signature)
      end

      # @return [Symbol, nil] :server or :client; nil if the connection is gone
      def startable_role(signature)
        role = role_of(signature)
        raise "call SetTlsParms before calling StartTls" if role == :running

        role
      end

      # @return [TLSContext]
      def start_as(server, signature, parameters)
        context = context_for(server, parameters)
        start_native(server, signature, context, parameters)
        context
      end

      def context_for(server, parameters)
        raise "Encryption not available on this event-machine" unless EventMachine.ssl?

        @contexts.fetch(parameters.check_for(server), server)
      end

      # @return [#parameters, #context, nil] nil if the options are unknown
      def find(role, options)
        known = @recent.find(role, options)
        known.nil? || known.current? ? known : renew(known, role, options)
      end

      # Reads files that have changed. A bad one must not end a program whose earlier ones were good.
      def renew(known, role, options)
        states = known.parameters.file_states
        remember(role, options)
      rescue BadParams, InvalidPrivateKey, FileNotFoundException => e
        known.refuse(states, e)
        known
      end

      # @return [#parameters, #context]
      def remember(role, options)
        parameters = TLSParameters.new(options)
        @recent.keep(role, options, parameters, context_for(role == :server, parameters))
      end

      def start_native(server, signature, context, parameters)
        EventMachine.send(:start_tls_with, signature, context, parameters.server_name, parameters.verified_name,
                          parameters.handshake_timeout, server || parameters.judges?)
      rescue ArgumentError => e
        raise ArgumentError, parameters.name_refusal(e.message) || e.message
      end
    end
  end
end
