# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "securerandom"

module EventMachine
  module DNS
    # A lookup of the IPv4 addresses of one name, made by {Resolver.resolve}.
    #
    # A {Deferrable}. It succeeds with an Array of addresses as Strings. It fails with a String: `"rcode=N"`, where N is
    # the response code of the name server (3: there is no such name; 0: the name has no address), `"retries exceeded"`,
    # or another text.
    class Request
      include Deferrable

      # @return [Numeric] seconds after which the question is sent again
      attr_accessor :retry_interval

      # @return [Integer] how many times the question is sent in all
      attr_accessor :max_tries

      # @param socket [Socket, nil] nil: the hosts file has the name, so there is nothing to ask
      # @param value [String] the name
      # @private
      def initialize(socket, value)
        @socket = socket
        @value = value
        @retry_interval = 3
        @max_tries = 5
        @tries = 0
        @id = nil
        @lookup = nil
        @sent_at = nil
        EventMachine.next_tick { start } if socket
      end

      # However the outcome is reached, also by {#timeout} or by the program itself, nothing of the request goes on.
      # @private
      def set_deferred_status(status, *args)
        leave if %i[succeeded failed].include?(status)
        super
      end

      # If it is time, sends the question again, or gives up. Called by the socket while the request is registered.
      # @return [void]
      def tick
        return if finished? || @sent_at.nil? || now - @sent_at < @retry_interval

        if @tries < @max_tries
          send_question
        else
          fail("retries exceeded")
        end
      end

      # Takes an answer that was not received by the library, for instance by {Socket#receive_data}.
      # @param message [Resolv::DNS::Message]
      # @return [void]
      def receive_answer(message)
        return if finished? || !answer_to_this?(message)

        addresses = message.answer.filter_map { |_, _, data| data.address.to_s if data.respond_to?(:address) }
        conclude(addresses, message.rcode)
      end

      # Called when a lookup has ended. If there was no answer, {#tick} repeats it.
      # @private
      def finish_try(signature, status, response_code, addresses)
        return if finished? || signature != @lookup

        @lookup = nil
        if status == "EM_ANSWER_TRUNCATED"
          fail("the answer of the name server is truncated")
        elsif response_code >= 0
          conclude(addresses, response_code)
        end
      end

      private

      def start
        return if finished?

        register
        send_question
      end

      def register
        @id = SecureRandom.random_number(65_536)
        @socket.register_request(@id, self)
      rescue RequestIdAlreadyUsed
        retry
      end

      def send_question
        cancel_try
        @tries += 1
        @sent_at = now
        server = @socket.nameserver
        return fail("no name server is configured") unless server

        @lookup = DNS.begin_lookup(self, @value, [server], longest_wait)
      rescue ArgumentError, RuntimeError, TypeError => e
        fail(e.message)
      end

      # The lookup must not end before it is time for the next one.
      def longest_wait
        (@retry_interval.to_f * 2).clamp(1.0, 30.0)
      end

      def cancel_try
        DNS.cancel_lookup(@lookup) if @lookup
        @lookup = nil
      end

      def conclude(addresses, response_code)
        addresses.empty? ? fail("rcode=#{response_code}") : succeed(addresses)
      end

      def leave
        cancel_try
        @finished = true
        @socket.deregister_request(@id, self) if @id
      end

      def finished?
        @finished
      end

      def answer_to_this?(message)
        message.qr == 1 && message.question.any? { |name, *| name.to_s.casecmp?(@value.delete_suffix(".")) }
      end

      def now
        Process.clock_gettime(Process::CLOCK_MONOTONIC)
      end
    end
  end
end
