# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

module EventMachine
  module Protocols
    class Postgres3 < Connection
      # A separate connection that asks the server to cancel the current operation of another one. The server closes it
      # when the request has been handled, without saying whether there was anything to cancel.
      class CancelRequest < Connection
        # Opens the connection.
        # @param sockaddr [String] the server's address, as returned by {Connection#get_peername}
        # @param request [String]
        # @param seconds [Numeric] the timeout
        # @param tls [Hash, nil] options for TLS if the other connection uses it
        # @return [DefaultDeferrable]
        def self.send_to(sockaddr, request, seconds, tls = nil)
          address = Addrinfo.new(sockaddr)
          place = address.unix? ? [address.unix_path, nil] : [address.ip_address, address.ip_port]
          outcome = DefaultDeferrable.new
          EventMachine.connect(*place, self, request, seconds, outcome, tls)
          outcome
        rescue RuntimeError => e
          outcome.fail(e.message)
          outcome
        end

        def initialize(request, seconds, outcome, tls)
          super()
          @tls = tls
          @request = request
          @seconds = seconds
          @outcome = outcome
        end

        # @private
        def post_init
          self.comm_inactivity_timeout = @seconds unless @seconds == Float::INFINITY
        end

        # @private
        def connection_completed
          @tls ? send_data(Requests.ssl_request) : send_request
        end

        # PostgreSQL sends nothing on this connection except its reply to the request for TLS.
        def receive_data(data)
          return give_up if @negotiated || !@tls || data != Encryption::ACCEPTED

          @negotiated = true
          start_tls(@tls)
        end

        # @private
        def ssl_handshake_completed
          send_request
        end

        # @private
        def unbind(reason = nil)
          return @outcome.succeed if @sent && reason.nil?

          @outcome.fail(@negotiated && @sent.nil? ? "TLS failed: #{get_reason_text}" : "lost connection")
        end

        private

        def give_up
          @sent = false
          close_connection
        end

        def send_request
          @sent = true
          send_data(@request)
        end
      end
    end
  end
end
