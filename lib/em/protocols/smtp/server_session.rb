# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "em/protocols/wire_text"

module EventMachine
  module Protocols
    module Smtp
      # The course of a server's session: greeting, lines in their order, waiting for the hooks, and the end.
      module ServerSession
        # How much a client may send while the server waits for a hook, before it is no longer read from.
        READ_AHEAD = 64 * 1024
        # Seconds that a client may take to read the last reply.
        LAST_REPLY_TIMEOUT = 60
        # The reply to a command whose hook has raised.
        FAILED = "451 Requested action aborted: local error in processing"
        private_constant :READ_AHEAD, :LAST_REPLY_TIMEOUT, :FAILED

        # @private
        def post_init
          @smtp_awaiting = true
          # The block of start_server comes first.
          EventMachine.next_tick { smtp_greet }
        end

        # @private
        def receive_data(data)
          return if @smtp_ending
          return close_connection if get_outbound_data_size > max_unread_replies

          @smtp_input << data
          smtp_serve
          smtp_hold_back if @smtp_awaiting && @smtp_input.size > READ_AHEAD
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
          @smtp_silence&.cancel
          connection_ended
        end

        # Sends the first line of the session, 220, when the connection is made.
        def send_server_greeting
          smtp_send_reply("220 #{WireText.line(get_server_greeting, 'greeting')}")
        end

        # Forgets the message, not who the client is.
        def init_protocol_state
          @state &= %i[ehlo starttls auth]
          @databuffer = []
          @smtp_recipient_count = 0
        end

        # Forgets the message and has {#receive_transaction} called.
        def reset_protocol_state
          init_protocol_state
          receive_transaction
        end

        private

        def smtp_greet
          return if @smtp_ending

          smtp_watch_silence(inactivity_timeout)
          send_server_greeting
          @smtp_awaiting = false
          smtp_serve
        end

        def smtp_send_reply(text)
          @smtp_replied = true
          send_data("#{text}\r\n")
        end

        # Says so and closes. What else has been sent is ignored.
        def smtp_end_session(reply)
          @smtp_ending = true
          smtp_send_reply(reply)
          set_comm_inactivity_timeout(LAST_REPLY_TIMEOUT)
          close_connection_after_writing
        end

        # Goes through what has arrived until a hook needs time.
        def smtp_serve
          return if @smtp_serving

          @smtp_serving = true
          begin
            nil while !@smtp_awaiting && !@smtp_ending && smtp_serve_next
            finished = true
          ensure
            @smtp_serving = false
            smtp_go_on_after_exception unless finished || @smtp_ending
          end
        end

        # A hook has raised. Its command gets its reply nevertheless, so that the replies to those behind it do not
        # move.
        def smtp_go_on_after_exception
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

        # Only a response to AUTH, or what might become AUTH, may be longer.
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

        # Gives the block the decision of a hook, at once or as soon as it is there.
        def smtp_await(decision)
          return yield(decision) unless smtp_deferrable?(decision)

          @smtp_awaiting = true
          answer = lambda do |accepted|
            next unless @smtp_awaiting.equal?(answer) && !@smtp_ending

            @smtp_awaiting = false
            yield accepted
            smtp_go_on
          end
          @smtp_awaiting = answer
          decision.callback { answer.call(true) }
          decision.errback { answer.call(false) }
        end

        def smtp_deferrable?(decision)
          decision != true && (decision.respond_to?(:set_deferred_status) || decision.respond_to?(:callback))
        end

        def smtp_go_on
          resume if @smtp_held_back
          @smtp_held_back = false
          smtp_serve
        end

        def smtp_hold_back
          return if @smtp_held_back

          @smtp_held_back = true
          pause
        end

        # The client is silent if nothing was sent or received for that long, and it is its turn.
        def smtp_watch_silence(seconds)
          return unless seconds.positive? && seconds.to_f.finite?

          @smtp_silence = EventMachine::Timer.new(seconds) do
            left = inactivity_timeout - (get_idle_time || 0)
            next smtp_watch_silence([left, 0.001].max) if left.positive?

            @smtp_awaiting ? smtp_watch_silence(inactivity_timeout) : smtp_end_session("421 Timeout, closing connection")
          end
        end
      end
    end
  end
end
