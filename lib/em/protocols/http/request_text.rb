# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "em/protocols/wire_text"

module EventMachine
  module Protocols
    # Writes requests for the HTTP clients, and checks the callers' arguments before anything is opened or sent.
    # @private
    module HttpRequestText
      TOKEN = /\A[!#$%&'*+\-.^_`|~0-9A-Za-z]+\z/n.freeze
      PORT = /:\d+\z/n.freeze
      private_constant :TOKEN, :PORT

      class << self
        # @param verb [String] a token
        # @param target [#to_s] path and query
        # @param version [#to_s]
        # @param fields [String] header lines, as returned by {field}
        # @param content [String] the body, binary; the fields must state its length
        # @return [String] the whole request, binary
        # @raise [ArgumentError] if one of them contains a line end
        def compose(verb, target, version, fields, content = "")
          line = "#{verb} #{WireText.line(target, 'URI')} HTTP/#{version ? WireText.line(version, 'version') : '1.1'}"
          "#{line}\r\n#{fields}\r\n#{content}".b
        end

        # @param name [String] a token
        # @param value [#to_s, nil]
        # @return [String] the header line; "" for nil
        # @raise [ArgumentError] if the value contains a line end
        def field(name, value)
          value.nil? ? "" : "#{name}: #{WireText.line(value, name)}\r\n"
        end

        # @param value [#to_s]
        # @param what [String] names the value in the error
        # @return [String]
        # @raise [ArgumentError]
        def token(value, what)
          text = value.to_s.b
          raise ArgumentError, "#{what} must be a token: #{text.inspect}" unless TOKEN.match?(text)

          text
        end

        # @param host [#to_s] a name or an address, with or without a port
        # @param port [Integer]
        # @param default_port [Integer] this port is left out
        # @return [String] the value of a Host header, binary; IPv6 addresses in brackets and without their zones
        def authority(host, port, default_port)
          host = host.to_s.b
          host = "[#{host.sub(/%.*/mn, '')}]" if host.count(":") > 1 && !host.start_with?("[")
          port == default_port || PORT.match?(host) ? host : "#{host}:#{port}"
        end

        # @param seconds [Numeric, String, nil]
        # @return [Float, nil]
        # @raise [ArgumentError] unless it is nil or a positive number
        def timeout(seconds)
          return if seconds.nil?

          number = Float(seconds)
          raise ArgumentError, "timeout must be positive: #{seconds}" unless number.positive? && number.finite?

          number
        end
      end
    end
  end
end
