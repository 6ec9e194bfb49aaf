# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "eventmachine"
require "em/protocols/limits"
require "em/protocols/linetext2"
require "em/protocols/smtp/client_steps"
require "em/protocols/smtp/input"
require "em/protocols/smtp/outcome"
require "em/protocols/smtp/reply_reader"
require "em/protocols/smtp/submission"

module EventMachine
  module Protocols
    # Sends one message to an SMTP server (RFC 5321), optionally with STARTTLS (RFC 3207) and AUTH PLAIN (RFC 4954).
    #
    #   email = EM::P::SmtpClient.send(
    #     host: "mail.example.com", domain: "client.example.com",
    #     from: "ann@example.com", to: ["bob@example.com", "eve@example.com"],
    #     header: { "Subject" => "Lunch" }, body: "At noon?\r\n"
    #   )
    #   email.callback { |result| puts "accepted: #{result.message.join(' ')}" }
    #   email.errback { |result| warn "refused: #{result.code} #{result.message}" }
    #
    # It succeeds as soon as the server has accepted the message, and fails when that can no longer happen. Both
    # callbacks get an OpenStruct:
    #
    # - `start_time` [Time] and `elapsed_time` [Float] in seconds;
    # - `responder` [Symbol, nil], the step that handled the last reply, such as `:receive_rcpt_to_response`; nil if
    #   there was no reply;
    # - `code` [Integer, nil], that of the last reply; 0 if it had none; 900 if the client itself gave up;
    # - `message` [Array<String>, String, nil], the texts of the last reply; a String if the client itself gave up;
    # - `rcpt_responses` [Array<(String, Integer, Array<String>)>], the reply to each recipient.
    #
    # If the connection is lost after a failure, that failure is set again, with the same object.
    class SmtpClient < Connection
      include Deferrable
      include LineText2
      include Smtp::ClientSteps
      extend Limits

      # Seconds of silence after which the connection is closed, unless `:timeout` says otherwise.
      INACTIVITY_TIMEOUT = 60
      INTERNAL_ERROR = 900
      private_constant :INACTIVITY_TIMEOUT, :INTERNAL_ERROR

      # @!attribute max_line_length
      #   @return [Numeric] the most bytes in a line of a reply, including its end; 64 KiB by default
      limit :max_line_length, 64 * 1024
      # @!attribute max_reply_lines
      #   @return [Numeric] the most lines in a reply; 1000 by default
      limit :max_reply_lines, 1000

      # Connects and sends a message. Hides Object.send.
      #
      # The message is `:message`, or else `:content`, or else `:header`, a blank line and `:body`. Line ends of any
      # kind are sent as CRLF and leading dots are escaped, except in `:content`. If the server offers PIPELINING (RFC
      # 2920), sender, recipients and DATA are sent at once, and QUIT with the message.
      #
      # @param args [Hash]
      # @option args [String] :host
      # @option args [Integer] :port (25) the default is written back to the Hash
      # @option args [String] :domain (the host's name) the name by which the client introduces itself
      # @option args [String] :from without angle brackets; may be empty
      # @option args [String, Array<String>] :to without angle brackets
      # @option args [Hash, Array<String>, String] :header names and values, or complete lines
      # @option args [String, Array<String>] :body ("")
      # @option args [String, Array<String>] :message header and body
      # @option args [String, Array<String>] :content header and body, sent unchanged: already escaped, and with the
      #   final dot
      # @option args [Boolean, Hash, TLS] :starttls whether TLS is required, or options for {Connection#start_tls}. With
      #   `{ verify: true }`, the server's certificate must be valid for the host
      # @option args [Hash] :auth `type: :plain`, `username:`, `password:` (a String, or a callable that returns it);
      #   with `require_tls: true`, a missing `:starttls` is an error
      # @option args [Numeric] :timeout (60) seconds of silence after which the client gives up; 0 for no limit
      # @option args [Boolean] :verbose prints the dialogue to `$>`
      # @return [SmtpClient] a deferrable
      # @raise [ArgumentError] before connecting, if something cannot be sent, such as an address with a line end in it
      def self.send(args = {})
        submission = Smtp::Submission.new(args)
        args[:port] = 25 unless args[:port] || args.frozen?
        EventMachine.connect(args[:host], args[:port] || 25, self) { |client| client.submit(args, submission) }
      end

      # Sets the message, see {send}.
      # @raise [ArgumentError]
      def args=(args)
        submit(args, Smtp::Submission.new(args))
      end

      # Shows neither keys nor passwords.
      alias inspect to_s

      # @private
      def submit(args, submission)
        @args = args
        @submission = submission
      end

      # @private
      def initialize(*)
        super
        @args = {}
        @input = Smtp::Input.new
        @reply = Smtp::ReplyReader.new
        @rcpt_responses = []
        @start_time = Time.now
        @next_step = :receive_signon
      end

      # @private
      def connection_completed
        set_comm_inactivity_timeout(@args[:timeout] || INACTIVITY_TIMEOUT)
      end

      # @private
      def receive_data(data)
        return if @finished

        @input << data
        limit = max_line_length
        while !@finished && (line = @input.command(limit))
          line == :overlong ? give_up("overlength line") : receive_line(line)
        end
        give_up("overlength line") if @input.overlong? && !@finished
      end

      # @private
      def receive_line(line)
        $>.puts(line) if @args[:verbose]
        return give_up("data before TLS started") if @securing

        @responder = @next_step
        final = @reply.read(line)
        return give_up("too many lines in a reply") if @reply.texts.size > max_reply_lines
        return unless final

        take_step
      end

      # @private
      def ssl_handshake_completed
        return unless @securing

        @securing = false
        @input.clear # Part of a line may have arrived before TLS.
        send_ehlo(:receive_ehlo_over_tls_response)
      end

      # @private
      def unbind(_reason = nil)
        @finished = true
        return if @succeeded

        self.fail(@securing ? outcome(INTERNAL_ERROR, "TLS failed: #{get_reason_text}") : outcome)
      end

      private

      def take_step
        $>.puts(@responder) if @args[:verbose]
        __send__(@responder)
        @reply.start_next
      end

      def positive?
        @reply.code.between?(200, 299)
      end

      # The server has refused.
      def invoke_error
        end_session
        self.fail(outcome)
      end

      # The client gives up.
      def give_up(message)
        end_session
        self.fail(outcome(INTERNAL_ERROR, message))
      end

      def end_session
        @finished = true
        send_quit unless @quitting
        close_connection_after_writing
      end

      def send_quit
        @quitting = true
        send_data("QUIT\r\n")
      end

      # @return [OpenStruct] always the same object, with the current `elapsed_time`
      def outcome(code = @reply.code, message = @reply.texts)
        @outcome ||= Smtp::Outcome.new(start_time: @start_time, responder: @responder, code: code, message: message,
                                       rcpt_responses: @rcpt_responses)
        @outcome.elapsed_time = Time.now - @start_time
        @outcome
      end

      # @param text [String]
      # @return [String] the text, with each dot at the beginning of a line doubled
      def escape_leading_dots(text)
        Smtp::MessageText.escape_leading_dots(text)
      end
    end
  end
end
