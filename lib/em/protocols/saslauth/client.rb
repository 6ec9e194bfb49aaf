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
    # Only an answer that begins with `OK` lets in. An answer that nobody asked for, or a longer one than the limit,
    # closes the connection, and so does one that came before its question. A class that defines `unbind`, or
    # `connection_completed` and reconnects, must call `super`.
    module SASLauthclient
      extend Limits

      # The longest reply that is accepted, in bytes.
      MaxFieldSize = 1024

      # @!attribute max_field_bytes
      #   @return [Integer] bytes; {MaxFieldSize} unless set
      limit :max_field_bytes, MaxFieldSize

      # Sends a request. Several may be under way; replies come in the order of the requests.
      # @param user [#to_s]
      # @param password [#to_s]
      # @param service [#to_s, nil]
      # @param realm [#to_s, nil]
      # @return [DefaultDeferrable] succeeds if the daemon says OK; fails if it says anything else, or the connection
      #   ends first. Without arguments
      # @raise [ArgumentError] if one of them has more than 65535 bytes; nothing was sent then
      def validate?(user, password, service = nil, realm = nil)
        request = [user, password, service, realm].map { |field| SASLauthFields.pack(field) }.join
        deferrable = DefaultDeferrable.new
        return deferrable.tap(&:fail) if @saslauth_ended

        saslauth_questions << deferrable
        send_data(request)
        deferrable
      end

      # Opens the connection again. Questions may be asked at once.
      # @see Connection#reconnect
      def reconnect(server, port)
        super.tap { saslauth_start_anew }
      end

      # @private
      def connection_completed
        super if defined?(super)
        saslauth_start_anew
      end

      # @private
      def receive_data(data)
        @saslauth_fields ||= SASLauthFields.new
        @saslauth_fields.add(data, max_field_bytes) { |field| receive_verdict(field) }
        done = true
      rescue SASLauthFields::TooLong
        done = true
        saslauth_leave
      ensure
        EventMachine.next_tick { receive_data("") } unless done
      end

      # @private
      def unbind(_reason = nil)
        @saslauth_ended = true
        questions = saslauth_questions
        @saslauth_questions = nil
        saslauth_fail_all(questions)
      end

      private

      # What the old connection has left is dropped.
      def saslauth_start_anew
        @saslauth_ended = false
        @saslauth_fields = nil
      end

      def saslauth_questions
        @saslauth_questions ||= []
      end

      # What came in one piece with the last answer cannot answer what its callback may ask.
      def receive_verdict(field)
        return if @saslauth_ended

        question = saslauth_questions.shift
        saslauth_leave if saslauth_questions.empty? && (question.nil? || @saslauth_fields.any?)
        field.start_with?("OK") ? question.succeed : question.fail if question
      end

      def saslauth_leave
        @saslauth_ended = true
        close_connection
      end

      # An errback that raises keeps none of the others from being called.
      def saslauth_fail_all(questions)
        questions.shift.fail until questions.empty?
      ensure
        EventMachine.next_tick { saslauth_fail_all(questions) } unless questions.empty?
      end
    end
  end
end
