# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "em/protocols/smtp/plain_auth"

module EventMachine
  module Protocols
    module Smtp
      # A server's STARTTLS (RFC 3207) and AUTH PLAIN (RFC 4954).
      module ServerSecurity
        # Starts TLS. Everything sent and received before may have come from an attacker, so it is dropped.
        def process_starttls
          return process_unknown unless smtp_starttls_offered?
          return smtp_send_reply("503 TLS Already negotiated") if session_secure?
          return smtp_send_reply("503 EHLO required before STARTTLS") unless @state.include?(:ehlo)

          smtp_send_reply("220 Start TLS negotiation")
          @smtp_input.clear
          @state = [:starttls]
          reset_protocol_state
          receive_reset
          start_tls(@parms[:starttls_options] || {})
        end

        # Authenticates the client.
        # @param mechanism [String] the mechanism and the initial response, if any
        def process_auth(mechanism)
          return process_unknown unless @parms[:auth]
          return smtp_send_reply("503 auth already issued") if @state.include?(:auth)
          return smtp_send_reply("503 Operation sequence error") if @state.include?(:mail_from)

          name, response = mechanism.split(/\s+/, 2)
          return smtp_send_reply("504 auth mechanism not available") unless name&.casecmp?("PLAIN")
          return smtp_send_reply("538 Encryption required for authentication") unless smtp_auth_offered?

          response.to_s.empty? ? smtp_ask_for_response : process_auth_line(response)
        end

        # Handles the response to AUTH.
        # @param line [String] the response in base64; "*" cancels
        def process_auth_line(line)
          @state.delete(:auth_incomplete)
          return smtp_send_reply("501 authentication cancelled") if line == "*"

          user, password = PlainAuth.decode(line)
          return smtp_send_reply("501 malformed authentication response") unless user

          smtp_await(receive_plain_auth(user, password)) do |accepted|
            next smtp_send_reply("535 invalid authentication") unless accepted

            @state << :auth
            smtp_send_reply("235 authentication ok")
          end
        end

        # Whether passwords may be sent and `:starttls => :required` is satisfied. Servers that are secured by other
        # means override this.
        # @return [Boolean] by default, whether STARTTLS was used
        def session_secure?
          @state.include?(:starttls)
        end

        private

        def smtp_ask_for_response
          @state << :auth_incomplete
          smtp_send_reply("334 ")
        end

        def smtp_starttls_offered?
          @parms[:starttls] && smtp_tls_available?
        end

        def smtp_tls_available?
          EventMachine.ssl?
        end

        def smtp_auth_offered?
          @parms[:auth] && (session_secure? || @parms[:auth_in_clear])
        end
      end
    end
  end
end
