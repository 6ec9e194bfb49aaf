# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "em/protocols/input_buffer"
require "fiber"

module EventMachine
  module Protocols
    # Shared by the protocols that parse a stream: a buffer, a loop over it that is robust against whatever callbacks
    # do, and the handling of errors of the peer. All state is created on first use, for classes whose `initialize` does
    # not call `super`.
    # @api private
    module Parsing
      # Starts TLS as {Connection#start_tls} does, and drops what has arrived in the clear but is not parsed yet. An
      # attacker could have inserted it, and it would be taken for decrypted data.
      def start_tls(args = {})
        super
        parsing_input.clear
        nil
      end

      private

      # @return [InputBuffer] the data that has arrived and is not parsed yet
      def parsing_input
        @parsing_input ||= InputBuffer.new
      end

      # Accepts data that has arrived, or that a callback puts back; the latter is parsed first, once the callback has
      # returned. A callback may be suspended together with its fiber. Parsing then continues without it.
      # @param data [String, nil]
      # @yield (see #parsing_run)
      def parsing_receive(data, &step)
        return if data.nil? || data.empty? || @parsing_failed

        return parsing_input.put_back(data) if parsing_in_callback?

        parsing_input.append(data)
        parsing_loop(&step)
      end

      # @return [Boolean] whether the caller is a callback that is not suspended
      def parsing_in_callback?
        @parsing_now && @parsing_now.equal?(Fiber.current)
      end

      # Parses all complete data. Does not recurse, since the input may be longer than the stack allows.
      # @yieldreturn [Boolean] whether there may be more to parse
      def parsing_run(&step)
        parsing_loop(&step) unless @parsing_now
      end

      def parsing_loop(&step)
        suspended = @parsing_now
        @parsing_now = Fiber.current
        nil while yield
        finished = true
      ensure
        @parsing_now = suspended
        parsing_input.settle
        parsing_continue_later(&step) unless finished
      end

      # A callback has raised. The data behind its own part must not wait for more to arrive, which may never happen.
      def parsing_continue_later(&step)
        return unless EventMachine.respond_to?(:reactor_thread?) && EventMachine.reactor_thread?

        EventMachine.next_tick { parsing_run(&step) unless parsing_ended? }
      end

      # Whether this is a connection that has ended. Its `unbind` may not have called `super`.
      def parsing_ended?
        is_a?(Connection) && get_idle_time.nil?
      end

      # Stops parsing, reports the error and closes the connection.
      # @param text [String] for `receive_error`, if that is defined
      # @return [false]
      def parsing_fail(text)
        return false if @parsing_failed

        @parsing_failed = true
        parsing_input.clear
        begin
          receive_error(text) if respond_to?(:receive_error, true)
        ensure
          parsing_close
        end
        false
      end

      # Data that was already sent, even by `receive_error`, still reaches the peer.
      def parsing_close
        if respond_to?(:close_connection_after_writing, true)
          close_connection_after_writing
        elsif respond_to?(:close_connection, true)
          close_connection
        end
      end

      # Prepares the object for another connection.
      def parsing_reset
        @parsing_failed = false
        parsing_input.clear
      end
    end
  end
end
