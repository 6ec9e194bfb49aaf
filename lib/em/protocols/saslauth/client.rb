# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

module EventMachine
  module Protocols
    # The client's side of saslauthd's protocol. Include it in a connection to the daemon's socket.
    #
    #   class Client < EventMachine::Connection
    #     include EM::P::SASLauthclient
    #   end
    #   client = EM.connect_unix_domain("/var/run/saslauthd/mux", Client)
    #   client.validate?("ann", "secret").callback { … }.errback { … }
    #
    # Only an answer that begins with `OK` lets in. An answer that nobody asked for, or a longer one than the limit, closes
    # the connection. A class that defines `unbind`, or `connection_completed` and reconnects, must call `super`.
    module SASLauthclient
      extend Limits

      # The longest answer that is read, in bytes.
      MaxFieldSize = 1024

      # @!attribute max_field_size
      #   @return [Integer] bytes; {MaxFieldSize} unless set
      limit :max_field_size, MaxFieldSize

      # Asks. Several questions may be under way; they are answered in their order.
      # @param user [#to_s]
      # @param password [#to_s]
      # @param service [#to_s, nil]
      # @param realm [#to_s, nil]
      # @return [DefaultDeferrable] succeeds if the daemon says OK; fails if it says anything else, or the connection ends
      #   first. Without arguments
      # @raise [ArgumentError] if one of them has more than 65535 bytes; nothing was sent then
      def validate?(user, password, service = nil, realm = nil)
        request = [user, password, service, realm].map { |field| SASLauthFields.pack(field) }.join
        deferrable = DefaultDeferrable.new
        return deferrable.tap(&:fail) if @saslauth_ended

        saslauth_questions << deferrable
        send_data(request)
        deferrable
      end

      # @private
      def connection_completed
        super if defined?(super)
        @saslauth_ended = false
        @saslauth_fields = nil
      end

      # @private
      def receive_data(data)
        @saslauth_fields ||= SASLauthFields.new
        @saslauth_fields.add(data, max_field_size) { |field| receive_verdict(field) }
      rescue SASLauthFields::TooLong
        close_connection
      end

      # @private
      def unbind(_reason = nil)
        @saslauth_ended = true
        saslauth_questions.shift.fail until saslauth_questions.empty?
      end

      private

      def saslauth_questions
        @saslauth_questions ||= []
      end

      def receive_verdict(field)
        question = saslauth_questions.shift
        return close_connection unless question

        field.start_with?("OK") ? question.succeed : question.fail
      end
    end
  end
end
