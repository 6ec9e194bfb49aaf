# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

module EventMachine
  module Protocols
    module Smtp
      # A server's data phase: the text of a message up to its final dot.
      #
      # An error in a message is reported after the final dot, since the client reads no reply before that. The
      # exception is a bare CR or LF: where the message ends would then depend on the reader, so the session ends at
      # once.
      module ServerText
        # Subclasses may define a method called `method`.
        METHOD = Kernel.instance_method(:method)
        private_constant :METHOD

        # Handles a line of a message.
        # @param line [String] as it was sent, without its end
        def process_data_line(line)
          return smtp_end_text if line == "."

          smtp_add_line(line.delete_prefix("."))
        end

        private

        def smtp_add_line(line)
          @smtp_text_size += line.bytesize + 2
          return smtp_refuse_text("552 Message exceeds the maximum size") if @smtp_text_size > max_message_size
          return if @smtp_refusal

          @databuffer << line
          smtp_deliver_chunk if @databuffer.size > @parms[:chunksize]
        end

        def smtp_begin_text
          @state << :data
          @databuffer = []
          @smtp_text_size = 0
          @smtp_refusal = nil
          @smtp_batch_lines = smtp_batch_lines?
        end

        # @return [Boolean] whether there may be more
        def smtp_receive_text
          return true if smtp_receive_lines

          case line = @smtp_input.text(max_text_line_length, @parms[:bare_line_ends] != :keep)
          when nil then return false
          when :overlong then smtp_refuse_text("500 Line too long")
          when :bare then smtp_end_session("554 CR and LF must not stand alone")
          else receive_line(line)
          end
          true
        end

        # Takes many lines at once, if all of them are valid and no subclass handles them one by one.
        def smtp_receive_lines
          return unless @smtp_batch_lines && !@smtp_refusal

          lines, size = @smtp_input.text_lines(max_text_line_length)
          return unless lines

          if @smtp_text_size + size <= max_message_size && @databuffer.size + lines.size <= @parms[:chunksize]
            @smtp_text_size += size
            @databuffer.concat(lines)
          else
            lines.each { |line| smtp_add_line(line) }
          end
        end

        def smtp_batch_lines?
          !@parms[:verbose] && METHOD.bind_call(self, :process_data_line).owner == ServerText &&
            METHOD.bind_call(self, :receive_line).owner == ServerSession
        end

        def smtp_refuse_text(reply)
          @smtp_refusal ||= reply
          @databuffer = []
        end

        def smtp_deliver_chunk
          chunk = @databuffer
          @databuffer = []
          receive_data_chunk(chunk)
        end

        def smtp_end_text
          @state -= %i[data mail_from rcpt]
          smtp_deliver_chunk unless @databuffer.empty?
          return smtp_abandon_message if @smtp_refusal

          smtp_await(receive_message) do |accepted|
            @smtp_command_count = 0 if accepted
            smtp_send_reply(accepted ? "250 Message accepted" : "550 Message rejected")
            reset_protocol_state
          end
        end

        # The hooks may have received a part of the message.
        def smtp_abandon_message
          smtp_send_reply(@smtp_refusal)
          reset_protocol_state
          receive_reset
        end
      end
    end
  end
end
