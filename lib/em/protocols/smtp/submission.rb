# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "socket"
require "em/protocols/wire_text"
require "em/protocols/smtp/message_text"

module EventMachine
  module Protocols
    module Smtp
      # The message that a client sends, checked and encoded before the client connects.
      class Submission
        HEADER_NAME = /\A[!-9;-~]+\z/n.freeze
        ANGLE_BRACKET = /[<>]/n.freeze
        private_constant :HEADER_NAME, :ANGLE_BRACKET

        # @return [String] the client's name
        attr_reader :domain
        # @return [String] the sender of the envelope, may be empty
        attr_reader :sender
        # @return [Array<String>] the recipients of the envelope, at least one
        attr_reader :recipients
        # @return [String] everything that is sent in the data phase
        attr_reader :text
        # @return [Hash, nil]
        attr_reader :auth
        # @return [Hash, TLS, nil] options for start_tls; nil for no TLS
        attr_reader :starttls

        # @param args [Hash] see {SmtpClient.send}
        # @raise [ArgumentError] if anything in it cannot be sent
        def initialize(args)
          raise ArgumentError, ":timeout must be a number" unless args[:timeout].nil? || args[:timeout].is_a?(Numeric)

          @domain = WireText.line(args[:domain] || Socket.gethostname, ":domain")
          @sender = address(args[:from], ":from")
          @recipients = recipients_of(args[:to])
          @starttls = starttls_of(args[:starttls], args[:host])
          @auth = auth_of(args[:auth])
          @text = args[:content] && !args[:message] ? joined(args[:content], ":content") : MessageText.encode(message_of(args))
        end

        private

        def address(value, what)
          text = WireText.line(value, what)
          raise ArgumentError, "#{what} must not contain < or >" if text.match?(ANGLE_BRACKET)

          text
        end

        def recipients_of(value)
          recipients = Array(value).map { |recipient| address(recipient, ":to") }
          raise ArgumentError, ":to must name at least one recipient" if recipients.empty? || recipients.any?(&:empty?)

          recipients
        end

        # The name in the server's certificate is that of the host, unless another is given.
        def starttls_of(value, host)
          return unless value
          return value.for_host(host) if value.is_a?(TLS)

          (host ? { sni_hostname: host } : {}).merge(value.is_a?(Hash) ? value : {})
        end

        def auth_of(value)
          return unless value
          raise ArgumentError, ":auth must be a Hash" unless value.is_a?(Hash)
          raise ArgumentError, ":auth requires TLS, but :starttls is not given" if value[:require_tls] && !@starttls

          value.each_value { |part| raise ArgumentError, ":auth must not contain NUL" if part.is_a?(String) && part.b.include?("\0") }
        end

        def message_of(args)
          return joined(args[:message], ":message") if args[:message]

          "#{header_of(args[:header])}\r\n#{joined(args[:body] || '', ':body')}"
        end

        # Header lines that the caller formats are sent unchanged; only a missing last line end is added.
        def header_of(header)
          return header.map { |name, value| field(name, value) }.join if header.is_a?(Hash)

          text = joined(header || "", ":header")
          text.empty? || text.end_with?("\n", "\r") ? text : "#{text}\r\n"
        end

        def field(name, value)
          name = WireText.line(name, "header name")
          raise ArgumentError, "invalid header name: #{name.inspect}" unless name.match?(HEADER_NAME)
          raise ArgumentError, "the header #{name} must have one value" if value.is_a?(Array) || value.is_a?(Hash)

          "#{name}: #{WireText.line(value, "header #{name}")}\r\n"
        end

        # @return [String] binary
        def joined(value, what)
          pieces = value.is_a?(Array) ? value : [value]
          raise ArgumentError, "#{what} must be a String or an Array of Strings" unless pieces.all?(String)

          pieces.map(&:b).join
        end
      end
    end
  end
end
