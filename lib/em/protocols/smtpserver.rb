# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "eventmachine"
require "em/protocols/limits"
require "em/protocols/linetext2"
require "em/protocols/wire_text"
require "em/protocols/smtp/input"
require "em/protocols/smtp/server_commands"
require "em/protocols/smtp/server_parameters"
require "em/protocols/smtp/server_security"
require "em/protocols/smtp/server_session"
require "em/protocols/smtp/server_text"

module EventMachine
  module Protocols
    # The framework of an SMTP server (RFC 5321). Derive a class from it and define the hooks that you need. Hooks that
    # make a decision return whether they agree, or a deferrable that succeeds or fails later. Until then, further input
    # of this client waits, so that replies are sent in the order of the commands.
    #
    #   class Inbox < EM::P::SmtpServer
    #     def receive_sender(sender)
    #       @sender, = self.class.parse_path(sender)
    #     end
    #
    #     def receive_data_chunk(lines)
    #       (@lines ||= []).concat(lines)
    #     end
    #
    #     def receive_message
    #       store(@sender, @lines)
    #     end
    #
    #     def receive_transaction
    #       @lines = nil
    #     end
    #   end
    #
    #   EM.run { EM.start_server("127.0.0.1", 2525, Inbox) { |inbox| inbox.parms = { chunksize: 100 } } }
    #
    # The keys of `parms`, for a class and its subclasses, or for one connection:
    #
    # - `:chunksize` (4000): how many lines are collected; one more, and {#receive_data_chunk} is called with all of
    #   them;
    # - `:starttls`: true offers STARTTLS, `:required` also refuses mail without it;
    # - `:starttls_options`: a Hash for start_tls, with key and certificate;
    # - `:auth`: true offers AUTH PLAIN, `:required` also refuses mail without it;
    # - `:auth_in_clear` (false): whether AUTH PLAIN is also offered where {#session_secure?} is not true;
    # - `:extensions` (`["PIPELINING"]`): further lines for the reply to EHLO; add 8BITMIME if the messages are stored
    #   or passed on with all their bytes, as this server receives them;
    # - `:bare_line_ends` (`:refuse`): how to treat a bare CR or LF in a message: end the session, or `:keep` it as a
    #   part of its line;
    # - `:verbose` (false): whether the clients' lines are printed to `$>`.
    #
    # Only CRLF ends a line of a message, so that a line end that other software would accept cannot hide a second
    # message. The modes and delimiters of LineText2 have no effect.
    class SmtpServer < Connection
      extend Limits
      include LineText2
      include Smtp::ServerParameters
      include Smtp::ServerCommands
      include Smtp::ServerSecurity
      include Smtp::ServerText
      include Smtp::ServerSession

      # @!attribute max_command_length
      #   @return [Numeric] the most bytes in a command, including its end; 512 by default. The reply to more is 500.
      limit :max_command_length, 512
      # @!attribute max_auth_length
      #   @return [Numeric] the same for AUTH and its response; 2048 by default
      limit :max_auth_length, 2048
      # @!attribute max_text_line_length
      #   @return [Numeric] the most bytes in a line of a message, including its end; 1000 by default. The reply to more
      #     is 500, after the message.
      limit :max_text_line_length, 1000
      # @!attribute max_message_size
      #   @return [Numeric] bytes; 20 000 000 by default. Announced in the reply to EHLO. The reply to more is 552,
      #     after the message.
      limit :max_message_size, 20_000_000
      # @!attribute max_recipients
      #   @return [Numeric] the most recipients of one message; 1000 by default. The reply to more is 452.
      limit :max_recipients, 1000
      # @!attribute max_commands
      #   @return [Numeric] the most commands between two accepted messages; 10 000 by default. The reply to more is
      #     421, and the session ends.
      limit :max_commands, 10_000
      # @!attribute max_unread_replies
      #   @return [Numeric] the most bytes that a client may leave unread while it sends more; 1 MiB by default. Then
      #     the connection is closed.
      limit :max_unread_replies, 1024 * 1024
      # @!attribute inactivity_timeout
      #   @return [Numeric] seconds that a client may be silent when it is its turn; 300 by default. Then the session
      #     ends with 421. The limit is read when the connection is accepted and each time it may have expired.
      limit :inactivity_timeout, 300

      PARAMETER = /\A([^=]+)(?:=(.*))?\z/mn.freeze
      private_constant :PARAMETER

      # Splits the argument of {#receive_sender} and {#receive_recipient}.
      # @param raw [String] such as `<ann@example.com> SIZE=100 BODY=8BITMIME`
      # @return [Array(String, Hash{String => String, true})] the address without angle brackets, and the parameters
      #   with their names in upper case
      def self.parse_path(raw)
        path, rest = raw.b.match(/\A(<(?:"(?:\\.|[^"\\])*"|[^">])*>|\S*)(.*)\z/mn).captures
        parameters = rest.split.to_h do |parameter|
          name, value = parameter.match(PARAMETER)&.captures
          [(name || parameter).upcase, value || true]
        end
        [path.delete_prefix("<").delete_suffix(">"), parameters]
      end

      # Classes that override this call `super`.
      def initialize(*)
        super
        @parms = self.class.parms
        @smtp_input = Smtp::Input.new
        @state = []
        @smtp_command_count = 0
        init_protocol_state
      end

      # Shows neither keys nor mail.
      alias inspect to_s

      # @!group Hooks

      # @return [String] the text after 220
      def get_server_greeting
        "EventMachine SMTP Server"
      end

      # @return [String] the first line of the reply to EHLO and HELO
      def get_server_domain
        "Ok EventMachine SMTP Server"
      end

      # @param domain [String] the name by which the client introduces itself
      # @return [Boolean]
      def receive_ehlo_domain(domain)
        true
      end

      # @param user [String] binary, not empty
      # @param password [String] binary
      # @return [Boolean, Deferrable] false by default: every client is rejected
      def receive_plain_auth(user, password)
        false
      end

      # @param raw [String] the sender in angle brackets, empty in bounces, and parameters; see {parse_path}
      # @return [Boolean, Deferrable]
      def receive_sender(raw)
        true
      end

      # @param raw [String] the recipient in angle brackets, and parameters; see {parse_path}
      # @return [Boolean, Deferrable]
      def receive_recipient(raw)
        true
      end

      # The client is about to send a message.
      # @return [Boolean, Deferrable]
      def receive_data_command
        true
      end

      # @param lines [Array<String>] lines of a message, binary, without line ends and escaping dots; they belong to the
      #   hook
      def receive_data_chunk(lines)
      end

      # The message has arrived.
      # @return [Boolean, Deferrable] whether the server accepts the message and takes responsibility for it
      def receive_message
        true
      end

      # The client has dropped its message by RSET or STARTTLS, or the message exceeded a limit.
      def receive_reset
      end

      # A new message may begin: called after EHLO, HELO, RSET, STARTTLS and after each message.
      def receive_transaction
      end

      # The connection is closed.
      def connection_ended
      end

      # @!endgroup
    end
  end
end
