# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

module EventMachine
  module Protocols
    # The parts of the SMTP client and server. Not an interface for programs.
    module Smtp
      # Encodes text for the data phase of SMTP (RFC 5321, sections 2.3.8 and 4.5.2).
      module MessageText
        # Two patterns, because each begins with a known byte. A combined one would take twice as long.
        BARE_CR = /\r(?!\n)/n.freeze
        BARE_LF = /(?<!\r)\n/n.freeze
        LINE_END = /\r\n|\r|\n/n.freeze
        LEADING_DOT = /^\./n.freeze
        private_constant :BARE_CR, :BARE_LF, :LINE_END, :LEADING_DOT

        module_function

        # @param text [String] binary
        # @return [String] the encoded text: lines that end in CRLF, with leading dots doubled, and the final dot
        def encode(text)
          text = escape_leading_dots(with_crlf_only(text))
          text.empty? || text.end_with?("\r\n") ? "#{text}.\r\n" : "#{text}\r\n.\r\n"
        end

        # Some servers treat a bare CR or LF as a line end, others as text. An attacker who knows which is which can
        # hide a second message in the first, so neither is ever sent.
        # @param text [String] binary
        # @return [String]
        def with_crlf_only(text)
          text.match?(BARE_CR) || text.match?(BARE_LF) ? text.gsub(LINE_END, "\r\n") : text
        end

        # @param text [String] complete lines
        # @return [String] the text, with each dot at the beginning of a line doubled
        def escape_leading_dots(text)
          text = text.b
          text.start_with?(".") || text.include?("\n.") ? text.gsub(LEADING_DOT, "..") : text
        end
      end
    end
  end
end
