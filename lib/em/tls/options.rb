# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

module EventMachine
  # Options of {Connection#start_tls} that `connect` or `start_server` got, instead of a {TLS}. Equal options share a
  # context, and files that have changed are read again.
  # @private
  class TLSOptions
    # @param value [Hash, true]
    # @raise [ArgumentError]
    def initialize(value)
      value = {} if value == true
      raise ArgumentError, TLSValues.refusal(:tls, "an EM::TLS, a Hash or true", value) unless value.is_a?(Hash)

      TLSValues.check_names(value, TLSParameters::NAMES)
      @options = TLSValues.copy(value.to_h)
    end

    # Starts TLS on a connection, before it has sent anything.
    # @param host [String, nil] the host name of the server, for clients
    def start(signature, host = nil)
      options = TLSStart.server?(signature) ? @options : for_client(host)
      TLSStart.start_with_options(signature, options)
    end

    # Reports mistakes before a server listens.
    def context(_server)
      TLSStart.check_server(@options)
    end

    # @return [String] without keys
    def inspect
      "#<#{self.class.name}>"
    end

    private

    # Clients verify the server unless the options say otherwise, as with {TLS}.
    def for_client(host)
      options = @options.dup
      options[:verify] = true if options[:verify].nil? && options[:verify_peer] != true
      options[:sni_hostname] = host if host && !given?(:hostname) && !given?(:sni_hostname)
      options
    end

    def given?(name)
      ![nil, ""].include?(@options[name])
    end
  end
end
