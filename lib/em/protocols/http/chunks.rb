# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "em/protocols/http/response"

module EventMachine
  module Protocols
    # Assembles a body that arrives in chunks (RFC 9112, section 7.1):
    #
    #   size, extensions, CRLF  ->  data, CRLF  ->  size ...  0, CRLF  ->  trailers  ->  empty line
    #
    # Extensions and trailers are dropped, but they count towards the limits of the header. Framing lines must end in
    # CRLF.
    # @private
    class HttpChunks
      SIZE_LINE = /\A(\h{1,16})(?:[ \t]*;[^\r\n\0]*)?\r\n\z/n.freeze
      # The longest size that is allowed, including its line end.
      SIZE_BYTES = 18
      private_constant :SIZE_LINE, :SIZE_BYTES

      # @param input [HttpInput]
      # @param lines [HttpHeaderLines] for extensions and trailers
      # @param max_bytes [Numeric] of the body
      def initialize(input, lines, max_bytes)
        @input = input
        @lines = lines
        @max_bytes = max_bytes
        @content = String.new(encoding: Encoding::BINARY)
        @step = :read_size
      end

      # @return [String, nil] the body; nil if it is not complete yet
      # @raise [HttpError]
      def read
        @step = __send__(@step) || (return) until @step == :complete
        @content
      end

      private

      # Each step returns the next one, or nil if it needs more input.
      def read_size
        line = @lines.raw_line(SIZE_BYTES) or return
        match = SIZE_LINE.match(line) or refuse("malformed chunk size")
        @size = match[1].hex
        refuse("body too large", :body_too_large) if @content.bytesize + @size > @max_bytes
        @size.zero? ? :read_trailer : :read_data
      end

      def read_data
        data = @input.take(@size) or return
        @content << data
        :read_data_end
      end

      def read_data_end
        line_end = @input.take(2) or return
        refuse("chunk longer than its size") unless line_end == "\r\n"
        :read_size
      end

      def read_trailer
        line = @lines.line or return
        return :complete if line.empty?

        HttpResponse.check_field(line, @trailers)
        @trailers = true
        :read_trailer
      end

      def refuse(text, kind = :unsupported_clen)
        raise HttpError.new(kind, text)
      end
    end
  end
end
