# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "em/protocols/http/error"

module EventMachine
  module Protocols
    # Reads header lines and limits their number and their total length.
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

      # Resets the counts to zero.
      # @return [void]
      def start
        @lines = 0
        @bytes = 0
      end

      # Reads a whole header at once: nearly all headers arrive in one piece and in the plain form that the pattern
      # matches.
      # @param pattern [Regexp] for a header from the status line to the empty line, all lines ending in CRLF
      # @return [Array<String>, nil] its lines without line ends; nil if it has to be read line by line
      def header(pattern)
        text = @input.peek_through("\r\n\r\n")
        return unless text && text.bytesize <= @max_bytes && pattern.match?(text)

        lines = text.split("\r\n")
        return if lines.size > @max_lines

        @input.skip(text.bytesize)
        lines
      end

      # @return [String, nil] the next line without its end, CRLF or LF; nil if it has not arrived
      # @raise [HttpError]
      def line
        line = raw_line or return
        line.chomp!
        refuse if (@lines += 1) > @max_lines && !line.empty?
        line
      end

      # @param allowance [Integer] how many bytes of the line are not counted
      # @return [String, nil] the next line with its end; it does not count as a line
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
