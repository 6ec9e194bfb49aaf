# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "em/protocols/input_buffer"
require "fiber"

module EventMachine
  module Protocols
    # What protocols share that parse what arrives: a buffer, a loop over it which survives whatever callbacks do, and
    # giving up on a peer. All state is made when first needed, for classes whose `initialize` does not call `super`.
    # @api private
    module Parsing
      private

      # @return [InputBuffer] of what has arrived and is not parsed yet
      def parsing_input
        @parsing_input ||= InputBuffer.new
      end

      # Takes in what has arrived, or what a callback puts back: that comes first, once the callback has returned. A
      # callback may be suspended meanwhile, with the fiber it runs in: parsing goes on without it.
      # @param data [String, nil]
      # @yield (see #parsing_run)
      def parsing_receive(data, &step)
        return if data.nil? || data.empty? || @parsing_failed

        return parsing_input.put_back(data) if parsing_within?

        parsing_input.append(data)
        parsing_loop(&step)
      end

      # @return [Boolean] whether a callback is the caller, and not suspended
      def parsing_within?
        @parsing_now && @parsing_now.equal?(Fiber.current)
      end

      # Parses on until nothing is left that can be. Not within itself: stacks have an end, input has not.
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
        parsing_go_on_later(&step) unless finished
      end

      # A callback has raised: what is behind its own part must not wait for more to arrive, which may never come.
      def parsing_go_on_later(&step)
        return unless EventMachine.respond_to?(:reactor_thread?) && EventMachine.reactor_thread?

        EventMachine.next_tick { parsing_run(&step) unless parsing_over? }
      end

      # Whether this is a connection that has ended; its `unbind` may not have called `super`.
      def parsing_over?
        is_a?(Connection) && get_idle_time.nil?
      end

      # The peer is not worth listening to any more.
      # @param text [String] for receive_error, if there is one
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

      # What was sent before, also by receive_error, still reaches the peer.
      def parsing_close
        if respond_to?(:close_connection_after_writing, true)
          close_connection_after_writing
        elsif respond_to?(:close_connection, true)
          close_connection
        end
      end

      # The object may get another connection.
      def parsing_reset
        @parsing_failed = false
        parsing_input.clear
      end
    end
  end
end
