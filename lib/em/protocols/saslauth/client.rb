# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

module EventMachine
  module Protocols
    # The client's side of the saslauthd protocol. Include it in a connection to the daemon's socket.
    #
    #   class Client < EventMachine::Connection
    #     include EM::P::SASLauthclient
    #   end
    #   client = EM.connect_unix_domain("/var/run/saslauthd/mux", Client)
    #   client.validate?("ann", "secret").callback { … }.errback { … }
    #
    # Only a reply that begins with `OK` is a success. A reply without a request, a reply that is longer than the limit
    # and a reply that arrived before its request close the connection. A class that defines `unbind`, or that defines
    # `connection_completed` and reconnects, must call `super`.
    module SASLauthclient
      extend Limits

      # The longest reply that is accepted, in bytes.
      MaxFieldSize = 1024

      # @!attribute max_field_bytes
      #   @return [Integer] bytes; {MaxFieldSize} unless set
      limit :max_field_bytes, MaxFieldSize

      # Sends a request. Several requests may be pending; replies arrive in the order of the requests.
      # @param user [#to_s]
      # @param password [#to_s]
      # @param service [#to_s, nil]
      # @param realm [#to_s, nil]
      # @return [DefaultDeferrable] succeeds if the daemon replies OK; fails if it replies anything else or the
      #   connection ends first; both without arguments
      # @raise [ArgumentError] if an argument has more than 65535 bytes; nothing is sent then
      def validate?(user, password, service = nil, realm = nil)
        request = [user, password, service, realm].map { |field| SASLauthFields.pack(field) }.join
        deferrable = DefaultDeferrable.new
        return deferrable.tap(&:fail) if @saslauth_ended

        saslauth_pending << deferrable
        send_data(request)
        deferrable
      end

      # Opens the connection again. Requests may be sent at once.
      # @see Connection#reconnect
      def reconnect(server, port)
        super.tap { saslauth_reset }
      end

      # @private
      def connection_completed
        super if defined?(super)
        saslauth_reset
      end

      # @private
      def receive_data(data)
        @saslauth_fields ||= SASLauthFields.new
        @saslauth_fields.add(data, max_field_bytes) { |field| receive_verdict(field) }
        done = true
      rescue SASLauthFields::TooLong
        done = true
        saslauth_close
      ensure
        EventMachine.next_tick { receive_data("") } unless done
      end

      # @private
      def unbind(_reason = nil)
        @saslauth_ended = true
        pending = saslauth_pending
        @saslauth_pending = nil
        saslauth_fail_all(pending)
      end

      private

      # Drops the unfinished input of the old connection.
      def saslauth_reset
        @saslauth_ended = false
        @saslauth_fields = nil
      end

      def saslauth_pending
        @saslauth_pending ||= []
      end

      # Data that arrived together with the last reply cannot be the reply to a request that its callback sends.
      def receive_verdict(field)
        return if @saslauth_ended

        request = saslauth_pending.shift
        saslauth_close if saslauth_pending.empty? && (request.nil? || @saslauth_fields.any?)
        field.start_with?("OK") ? request.succeed : request.fail if request
      end

      def saslauth_close
        @saslauth_ended = true
        close_connection
      end

      # If an errback raises, the others are still called.
      def saslauth_fail_all(pending)
        pending.shift.fail until pending.empty?
      ensure
        EventMachine.next_tick { saslauth_fail_all(pending) } unless pending.empty?
      end
    end
  end
end
