# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "em/protocols/http/error"

module EventMachine
  module Protocols
    # Reads lines as long as there are not too many and they are not too long, all together.
    # @private
    class HttpHeaderLines
      # @param input [HttpInput]
      # @param max_lines [Numeric]
      # @param max_bytes [Numeric]
      def initialize(input, max_lines, max_bytes)
        @input = input
        @max_lines = max_lines
        @max_bytes = max_bytes
        start
      end

      # Counts from zero again.
      # @return [void]
      def start
        @lines = 0
        @bytes = 0
      end

      # Nearly all headers come in one piece, and in the plain form that the pattern knows: these are read at a stroke.
      # @param pattern [Regexp] for a header from the status line to the empty line, all lines ending in CRLF
      # @return [Array<String>, nil] its lines without their ends; nil: it has to be read line by line
      def header(pattern)
        text = @input.peek_through("\r\n\r\n")
        return unless text && text.bytesize <= @max_bytes && pattern.match?(text)

        lines = text.split("\r\n")
        return if lines.size > @max_lines

        @input.skip(text.bytesize)
        lines
      end

      # @return [String, nil] the next line without its end, CRLF or LF; nil if it has not come
      # @raise [HttpError]
      def line
        line = raw_line or return
        line.chomp!
        refuse if (@lines += 1) > @max_lines && !line.empty?
        line
      end

      # @param allowance [Integer] so many bytes of the line do not count
      # @return [String, nil] the next line with its end, not counted as a line
      # @raise [HttpError]
      def raw_line(allowance = 0)
        line = @input.line
        count = (line || @input).bytesize - allowance
        refuse if @bytes + count > @max_bytes
        @bytes += count if line && count.positive?
        line
      end

      private

      def refuse
        raise HttpError.new(:bad_header, "header too large")
      end
    end
  end
end
