# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

module EventMachine
  module Protocols
    class Postgres3 < Connection
      # TLS, which the client asks the server for before it logs in.
      module Encryption
        SSLMODES = %i[disable prefer require verify_full].freeze
        # The server's one byte.
        ACCEPTED = "S".b.freeze
        REFUSED = "N".b.freeze

        # Whether to use TLS:
        #
        # - `:disable`, the default: never.
        # - `:prefer`: if the server supports it. Whoever controls the network can prevent it.
        # - `:require`: always, but whoever controls the network can pretend to be the server.
        # - `:verify_full`: always, and the server's certificate must be valid for the host.
        # @return [Symbol]
        def sslmode
          @sslmode || :disable
        end

        # To be set before {Postgres3#connect}.
        # @param mode [Symbol, String] also in libpq's spelling, "verify-full"
        # @raise [ArgumentError] for an unknown one
        def sslmode=(mode)
          mode = mode.to_s.tr("-", "_").to_sym
          raise ArgumentError, "unknown sslmode #{mode.inspect}" unless SSLMODES.include?(mode)

          @sslmode = mode
        end

        # Options for {Connection#start_tls}, to be set before {Postgres3#connect}. `:verify_full` needs `hostname:`,
        # and the authority's certificate (`ca_file:`) unless the system knows it.
        # @param options [Hash]
        def ssl_options=(options)
          raise ArgumentError, "ssl_options must be a Hash" unless options.is_a?(Hash)

          @ssl_options = options
        end

        # @private
        def ssl_handshake_completed
          @encrypting = false
        end

        private

        # @param startup [String] the message that begins the login
        # @return [String] what is to be sent first
        def first_message(startup)
          @encrypting = false
          @cancel_tls = nil
          return startup if sslmode == :disable
          raise Unsupported, "TLS is not available" unless EventMachine.ssl?

          @startup = startup
          Requests.ssl_request
        end

        def first_state
          sslmode == :disable ? :connecting : :negotiating
        end

        # @param reply [String] the server's reply to the request for TLS
        # @raise [ProtocolError]
        def negotiate(reply)
          # Bytes behind it may come from an attacker, and would be taken for a part of the login.
          raise ProtocolError, "data before TLS started" if reply.bytesize > 1

          if reply == ACCEPTED
            encrypt
          elsif reply != REFUSED || sslmode != :prefer
            raise ProtocolError, "the server does not support TLS"
          end
          @state = :connecting
          send_data(@startup)
          @startup = nil
        end

        # An exception because of the options reaches the reactor, and the login fails.
        def encrypt
          options = (@ssl_options || {}).merge(sslmode == :verify_full ? { verify: true } : {})
          start_tls(options)
          @cancel_tls = options
          @encrypting = true
        ensure
          give_up("TLS could not be started") unless @encrypting
        end
      end
    end
  end
end
