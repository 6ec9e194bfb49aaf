# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "em/protocols/smtp/plain_auth"

module EventMachine
  module Protocols
    module Smtp
      # The client's side of the dialogue: how it handles each reply, and which command it sends next.
      module ClientSteps
        # These codes mean that the server does not know EHLO.
        EHLO_UNKNOWN = [500, 502].freeze
        private_constant :EHLO_UNKNOWN

        private

        # @!group Steps, each for one reply

        def receive_signon
          return invoke_error unless positive?

          send_ehlo(:receive_ehlo_response)
        end

        def receive_ehlo_response
          return send_helo if EHLO_UNKNOWN.include?(@reply.code) && !@submission.starttls && !@submission.auth
          return invoke_error unless positive?

          read_capabilities
          @submission.starttls ? invoke_starttls : invoke_auth
        end

        def receive_helo_response
          positive? ? invoke_mail_from : invoke_error
        end

        def receive_starttls_response
          return invoke_error unless positive?

          @securing = true
          start_tls(@submission.starttls)
        end

        def receive_ehlo_over_tls_response
          return invoke_error unless positive?

          read_capabilities
          invoke_auth
        end

        def receive_auth_response
          positive? ? invoke_mail_from : invoke_error
        end

        def receive_mail_from_response
          return invoke_error unless positive?

          @pipelining ? @next_step = :receive_rcpt_to_response : invoke_rcpt_to
        end

        def receive_rcpt_to_response
          @rcpt_responses << [@submission.recipients[@rcpt_responses.size], @reply.code, @reply.texts]
          @accepted ||= positive?
          if @rcpt_responses.size < @submission.recipients.size
            invoke_rcpt_to unless @pipelining
          elsif @accepted
            invoke_data
          else
            invoke_error
          end
        end

        def receive_data_response
          return invoke_error unless @reply.code.between?(300, 399)

          proceed(@submission.text, :receive_message_response)
          send_quit if @pipelining
        end

        def receive_message_response
          return invoke_error unless positive?

          @succeeded = true
          end_session
          succeed(outcome)
        end

        # @!endgroup

        def send_ehlo(next_step)
          proceed("EHLO #{@submission.domain}\r\n", next_step)
        end

        def send_helo
          proceed("HELO #{@submission.domain}\r\n", :receive_helo_response)
        end

        def invoke_starttls
          return give_up("TLS is not available") unless smtp_tls_available?

          proceed("STARTTLS\r\n", :receive_starttls_response)
        end

        def smtp_tls_available?
          EventMachine.ssl?
        end

        def invoke_auth
          auth = @submission.auth
          return invoke_mail_from unless auth
          return give_up("unsupported auth type") unless auth[:type].to_s == "plain"

          response = Smtp::PlainAuth.encode(auth[:username], password_of(auth)) or return give_up("NUL in the password")
          proceed("AUTH PLAIN #{response}\r\n", :receive_auth_response)
        end

        # Called only when the password is needed. An exception reaches the reactor, and the message fails.
        def password_of(auth)
          password = auth[:password]
          password = password.call if password.respond_to?(:call)
          found = true
          password
        ensure
          give_up("no password") unless found
        end

        # Capabilities announced before TLS do not count afterwards.
        def read_capabilities
          @pipelining = @reply.texts.drop(1).any? { |text| text.casecmp?("PIPELINING") }
        end

        # If PIPELINING is offered, all commands up to DATA are sent at once. If the transaction fails, the text is not
        # sent and the connection ends.
        def invoke_mail_from
          commands = "MAIL FROM:<#{@submission.sender}>\r\n"
          if @pipelining
            @submission.recipients.each { |recipient| commands << "RCPT TO:<#{recipient}>\r\n" }
            commands << "DATA\r\n"
          end
          proceed(commands, :receive_mail_from_response)
        end

        def invoke_rcpt_to
          proceed("RCPT TO:<#{@submission.recipients[@rcpt_responses.size]}>\r\n", :receive_rcpt_to_response)
        end

        def invoke_data
          send_data("DATA\r\n") unless @pipelining
          @next_step = :receive_data_response
        end

        def proceed(text, next_step)
          send_data(text)
          @next_step = next_step
        end
      end
    end
  end
end
