# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "em/protocols/wire_text"

module EventMachine
  module Protocols
    module Smtp
      # A server's session: the greeting, the lines in their order, waiting for hooks, and the end.
      module ServerSession
        # How many bytes a client may send while the server waits for a hook, before reading is paused.
        READ_AHEAD = 64 * 1024
        # Seconds that a client may take to read the last reply.
        LAST_REPLY_TIMEOUT = 60
        # The reply to a command whose hook raised.
        FAILED = "451 Requested action aborted: local error in processing"
        private_constant :READ_AHEAD, :LAST_REPLY_TIMEOUT, :FAILED

        # @private
        def post_init
          @smtp_awaiting = true
          # The block of start_server is called first.
          EventMachine.next_tick { smtp_greet }
        end

        # @private
        def receive_data(data)
          return if @smtp_ending
          return close_connection if get_outbound_data_size > max_unread_replies

          @smtp_input << data
          smtp_serve
          smtp_pause_reading if @smtp_awaiting && @smtp_input.size > READ_AHEAD
        end

        # @param line [String] a command, a response to AUTH, or a line of a message, without its end
        def receive_line(line)
          $>.puts(">>> #{line}") if @parms[:verbose]
          if @state.include?(:data)
            process_data_line(line)
          elsif @state.include?(:auth_incomplete)
            process_auth_line(line)
          else
            smtp_process_command(line)
          end
        end

        # @private
        def unbind(_reason = nil)
          @smtp_ending = true
          @smtp_inactivity_timer&.cancel
          connection_ended
        end

        # Sends the first line of the session, 220, when the connection is established.
        def send_server_greeting
          smtp_send_reply("220 #{WireText.line(get_server_greeting, 'greeting')}")
        end

        # Drops the message, but keeps the identity of the client.
        def init_protocol_state
          @state &= %i[ehlo starttls auth]
          @databuffer = []
          @smtp_recipient_count = 0
        end

        # Drops the message and calls {#receive_transaction}.
        def reset_protocol_state
          init_protocol_state
          receive_transaction
        end

        private

        def smtp_greet
          return if @smtp_ending

          smtp_start_inactivity_timer(inactivity_timeout)
          send_server_greeting
          @smtp_awaiting = false
          smtp_serve
        end

        def smtp_send_reply(text)
          @smtp_replied = true
          send_data("#{text}\r\n")
        end

        # Sends the last reply and closes the connection. Anything else that the client has sent is ignored.
        def smtp_end_session(reply)
          @smtp_ending = true
          smtp_send_reply(reply)
          set_comm_inactivity_timeout(LAST_REPLY_TIMEOUT)
          close_connection_after_writing
        end

        # Handles the received lines until a hook returns a deferrable.
        def smtp_serve
          return if @smtp_serving

          @smtp_serving = true
          begin
            nil while !@smtp_awaiting && !@smtp_ending && smtp_serve_next
            finished = true
          ensure
            @smtp_serving = false
            smtp_continue_after_exception unless finished || @smtp_ending
          end
        end

        # A hook has raised. Its command still gets a reply, so that later replies match their commands.
        def smtp_continue_after_exception
          if @state.include?(:data)
            smtp_refuse_text(FAILED)
          elsif !@smtp_replied
            smtp_send_reply(FAILED)
          end
          @smtp_recipient_count = 0 unless @state.include?(:mail_from)
          EventMachine.next_tick { smtp_serve unless @smtp_ending }
        end

        # @return [Boolean] whether there may be more
        def smtp_serve_next
          @smtp_replied = false
          return smtp_receive_text if @state.include?(:data)

          case line = @smtp_input.command(smtp_command_limit)
          when nil then return false
          when :overlong then smtp_refuse_command
          else smtp_receive_command(line)
          end
          true
        end

        # Only AUTH, and the response to it, may be longer.
        def smtp_command_limit
          @parms[:auth] ? [max_command_length, max_auth_length].max : max_command_length
        end

        def smtp_refuse_command
          @state.delete(:auth_incomplete)
          smtp_send_reply("500 Line too long")
        end

        def smtp_receive_command(line)
          @smtp_command_count += 1
          return smtp_end_session("421 Too many commands") if @smtp_command_count > max_commands
          return smtp_refuse_command if smtp_overlong?(line)

          receive_line(line)
        end

        def smtp_overlong?(line)
          return false if line.bytesize + 2 <= max_command_length || @state.include?(:auth_incomplete)

          !ServerCommands::AuthRegex.match?(line)
        end

        # Yields the decision of a hook, at once or as soon as it is made.
        def smtp_await(decision)
          return yield(decision) unless smtp_deferrable?(decision)

          @smtp_awaiting = true
          answer = lambda do |accepted|
            next unless @smtp_awaiting.equal?(answer) && !@smtp_ending

            @smtp_awaiting = false
            yield accepted
            smtp_continue
          end
          @smtp_awaiting = answer
          decision.callback { answer.call(true) }
          decision.errback { answer.call(false) }
        end

        def smtp_deferrable?(decision)
          decision != true && (decision.respond_to?(:set_deferred_status) || decision.respond_to?(:callback))
        end

        def smtp_continue
          resume if @smtp_reading_paused
          @smtp_reading_paused = false
          smtp_serve
        end

        def smtp_pause_reading
          return if @smtp_reading_paused

          @smtp_reading_paused = true
          pause
        end

        # The client counts as silent if it is its turn and nothing was sent or received for this long.
        def smtp_start_inactivity_timer(seconds)
          return unless seconds.positive? && seconds.to_f.finite?

          @smtp_inactivity_timer = EventMachine::Timer.new(seconds) do
            left = inactivity_timeout - (get_idle_time || 0)
            next smtp_start_inactivity_timer([left, 0.001].max) if left.positive?

            @smtp_awaiting ? smtp_start_inactivity_timer(inactivity_timeout) : smtp_end_session("421 Timeout, closing connection")
          end
        end
      end
    end
  end
end
