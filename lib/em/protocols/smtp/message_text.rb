# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

module EventMachine
  module Protocols
    # What the SMTP client and the SMTP server are made of; no interface for programs.
    module Smtp
      # Makes any text fit for the data phase of SMTP (RFC 5321, sections 2.3.8 and 4.5.2).
      module MessageText
        # Two patterns, since each begins with one known byte: together they would take twice as long.
        BARE_CR = /\r(?!\n)/n.freeze
        BARE_LF = /(?<!\r)\n/n.freeze
        LINE_END = /\r\n|\r|\n/n.freeze
        LEADING_DOT = /^\./n.freeze
        private_constant :BARE_CR, :BARE_LF, :LINE_END, :LEADING_DOT

        module_function

        # @param text [String] binary
        # @return [String] what goes over the wire: lines that end in CRLF, leading dots doubled, and the dot that ends
        #   it all
        def encode(text)
          text = escape_leading_dots(with_crlf_only(text))
          text.empty? || text.end_with?("\r\n") ? "#{text}.\r\n" : "#{text}\r\n.\r\n"
        end

        # A CR or an LF alone is a line end to some servers and text to others. Whoever knows which is which can put a
        # second message into the first, so none leaves here.
        # @param text [String] binary
        # @return [String]
        def with_crlf_only(text)
          text.match?(BARE_CR) || text.match?(BARE_LF) ? text.gsub(LINE_END, "\r\n") : text
        end

        # @param text [String] of whole lines
        # @return [String] with each dot doubled that begins a line
        def escape_leading_dots(text)
          text = text.b
          text.start_with?(".") || text.include?("\n.") ? text.gsub(LEADING_DOT, "..") : text
        end
      end
    end
  end
end
