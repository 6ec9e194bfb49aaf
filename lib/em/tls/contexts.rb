# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

module EventMachine
  # A native context, see ext/eventmachine/rb_tls_context.c.
  # @private
  class TLSContext
  end

  # Native TLS contexts, which hold keys, certificates and sessions. Creating one takes about a millisecond, so
  # connections with equal parameters share one. This remembers the contexts that were used most recently; connections
  # keep theirs alive.
  #
  # Unlike {TLSRecent}, which only saves the check of equal options, this finds the context of parameters that differ in
  # the host name, such as those of a client of many hosts. em_tls_context_create_shared does the same for C programs;
  # nothing here uses it.
  # @private
  class TLSContexts
    LIMIT = 64

    class << self
      # @param settings [Hash] see {TLSSettings}
      # @return [TLSContext]
      # @raise [InvalidPrivateKey, BadCertParams, BadParams, ArgumentError]
      def create(settings)
        EventMachine.send(:create_tls_context, settings)
      rescue BadParams => e
        raise e.instance_of?(BadParams) && blamed(settings) || e
      end

      private

      # In 1.x, two settings have their own exceptions.
      # @return [InvalidPrivateKey, nil]
      def blamed(settings)
        if unusable?(settings, :groups)
          InvalidPrivateKey.new("ecdh_curve: Unknown curve name: #{settings[:groups]}")
        elsif unusable?(settings, :dh_file)
          InvalidPrivateKey.new("dhparam: PEM_read_bio_DHparams(#{settings[:dh_file]}) failed")
        end
      end

      # Whether no context can be made with this setting alone.
      def unusable?(settings, name)
        settings[name] && !EventMachine.send(:create_tls_context, { name => settings[name], verify: false })
      rescue BadParams
        true
      end
    end

    def initialize
      @contexts = {}
    end

    # @param parameters [TLSParameters]
    # @param server [Boolean] whether the context is for a server
    # @return [TLSContext]
    # @raise [InvalidPrivateKey, BadCertParams, BadParams]
    def fetch(parameters, server)
      key = [server, parameters.key]
      context = @contexts.delete(key) || TLSContexts.create(parameters.settings(server))
      @contexts.shift if @contexts.size >= LIMIT
      @contexts[key] = context
    end

    # @return [String] without keys
    def inspect
      "#<#{self.class.name}>"
    end
  end
end
