# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

module EventMachine
  module Protocols
    module Smtp
      # Recognises commands and executes them.
      module ServerCommands
        EhloRegex = /\AEHLO(?:\s+|\z)/i.freeze
        HeloRegex = /\AHELO(?:\s+|\z)/i.freeze
        MailFromRegex = /\AMAIL FROM:\s*/i.freeze
        RcptToRegex = /\ARCPT TO:\s*/i.freeze
        DataRegex = /\ADATA(?=\s|\z)/i.freeze
        QuitRegex = /\AQUIT(?=\s|\z)/i.freeze
        RsetRegex = /\ARSET(?=\s|\z)/i.freeze
        NoopRegex = /\ANOOP(?=\s|\z)/i.freeze
        AuthRegex = /\AAUTH\s+/i.freeze
        StarttlsRegex = /\ASTARTTLS(?=\s|\z)/i.freeze
        VrfyRegex = /\AVRFY\s+/i.freeze
        ExpnRegex = /\AEXPN\s+/i.freeze
        HelpRegex = /\AHELP(?=\s|\z)/i.freeze

        # By the first four letters of a command: its pattern, its method, and whether that is called with the text
        # after the match.
        TABLE = {
          "EHLO" => [EhloRegex, :process_ehlo, true],
          "HELO" => [HeloRegex, :process_helo, true],
          "MAIL" => [MailFromRegex, :process_mail_from, true],
          "RCPT" => [RcptToRegex, :process_rcpt_to, true],
          "DATA" => [DataRegex, :process_data, false],
          "QUIT" => [QuitRegex, :process_quit, false],
          "RSET" => [RsetRegex, :process_rset, false],
          "NOOP" => [NoopRegex, :process_noop, false],
          "AUTH" => [AuthRegex, :process_auth, true],
          "STAR" => [StarttlsRegex, :process_starttls, false],
          "VRFY" => [VrfyRegex, :process_vrfy, false],
          "EXPN" => [ExpnRegex, :process_expn, false],
          "HELP" => [HelpRegex, :process_help, false]
        }.freeze
        # No command may contain these: other software may treat a bare CR as a line end, and a NUL as the end of the
        # text.
        NOT_IN_COMMANDS = /[\r\0]/n.freeze
        DECLARED_SIZE = /\sSIZE=(\d+)/i.freeze
        private_constant :TABLE, :NOT_IN_COMMANDS, :DECLARED_SIZE

        # @!group Commands. They may be overridden. Each sends one reply.

        # Replies to EHLO with the capabilities of the server, or with 550.
        # @param domain [String] what the client calls itself
        def process_ehlo(domain)
          return smtp_send_reply("550 Requested action not taken") unless receive_ehlo_domain(domain)

          smtp_send_reply(smtp_capabilities)
          smtp_greeted_by_client
        end

        # Replies to HELO.
        # @param domain [String] what the client calls itself
        def process_helo(domain)
          return smtp_send_reply("550 Requested action not taken") unless receive_ehlo_domain(domain)

          smtp_send_reply("250 #{smtp_domain}")
          smtp_greeted_by_client
        end

        # Begins a message if the sender is accepted.
        # @param sender [String] the text after `MAIL FROM:`, including angle brackets and parameters
        def process_mail_from(sender)
          refusal = smtp_refusal_of_sender(sender)
          return smtp_send_reply(refusal) if refusal

          smtp_await(receive_sender(sender)) do |accepted|
            next smtp_send_reply("550 sender is unacceptable") unless accepted

            @state << :mail_from
            smtp_send_reply("250 Ok")
          end
        end

        # Adds a recipient if it is accepted.
        # @param recipient [String] the text after `RCPT TO:`, including angle brackets and parameters
        def process_rcpt_to(recipient)
          return smtp_send_reply("503 MAIL is required before RCPT") unless @state.include?(:mail_from)
          return smtp_send_reply("452 Too many recipients") if @smtp_recipient_count >= max_recipients

          smtp_await(receive_recipient(recipient)) do |accepted|
            next smtp_send_reply("550 recipient is unacceptable") unless accepted

            @smtp_recipient_count += 1
            @state << :rcpt unless @state.include?(:rcpt)
            smtp_send_reply("250 Ok")
          end
        end

        # Lets the client send its text if there is a recipient.
        def process_data
          return smtp_send_reply("503 Operation sequence error") unless @state.include?(:rcpt)

          smtp_await(receive_data_command) do |accepted|
            next smtp_send_reply("550 Operation failed") unless accepted

            smtp_begin_text
            smtp_send_reply("354 Send it")
          end
        end

        # Drops the message.
        def process_rset
          reset_protocol_state
          receive_reset
          smtp_send_reply("250 Ok")
        end

        # Replies 250.
        def process_noop
          smtp_send_reply("250 Ok")
        end

        # Replies 221 and closes.
        def process_quit
          smtp_end_session("221 Ok")
        end

        # Replies 502.
        def process_vrfy
          smtp_send_reply("502 Command not implemented")
        end

        # Replies 502.
        def process_expn
          smtp_send_reply("502 Command not implemented")
        end

        # Replies 250, as the original does. The standard code would be 214.
        def process_help
          smtp_send_reply("250 Ok, but unimplemented")
        end

        # Replies 500 to an unknown command.
        def process_unknown
          smtp_send_reply("500 Unknown command")
        end

        # @!endgroup

        private

        def smtp_process_command(line)
          pattern, action, with_rest = TABLE[line.byteslice(0, 4).upcase]
          return process_unknown if line.match?(NOT_IN_COMMANDS) || !pattern&.match(line)

          with_rest ? __send__(action, $') : __send__(action)
        end

        # @return [String] the reply to EHLO
        def smtp_capabilities
          lines = [smtp_domain]
          lines << "STARTTLS" if smtp_starttls_offered? && !session_secure?
          lines << "AUTH PLAIN" if smtp_auth_offered?
          lines << "NO-SOLICITING"
          Array(@parms[:extensions]).each { |extension| lines << WireText.line(extension, "extension") }
          "250-#{lines.join("\r\n250-")}\r\n250 SIZE #{max_message_size.to_f.finite? ? max_message_size : 0}"
        end

        def smtp_domain
          WireText.line(get_server_domain, "server domain")
        end

        def smtp_greeted_by_client
          reset_protocol_state
          @state << :ehlo unless @state.include?(:ehlo)
        end

        # @return [String, nil] the reply, if the message is refused without calling {SmtpServer#receive_sender}
        def smtp_refusal_of_sender(sender)
          if @parms[:starttls] == :required && !session_secure?
            "550 This server requires STARTTLS before MAIL FROM"
          elsif @parms[:auth] == :required && !@state.include?(:auth)
            "550 This server requires authentication before MAIL FROM"
          elsif @state.include?(:mail_from)
            "503 MAIL already given"
          elsif sender[DECLARED_SIZE, 1].to_i > max_message_size
            "552 Message exceeds the maximum size"
          end
        end
      end
    end
  end
end
