# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "em/protocols/http/chunks"
require "em/protocols/http/framing"
require "em/protocols/http/header_lines"
require "em/protocols/http/input"
require "em/protocols/http/response"

module EventMachine
  module Protocols
    # Parses HTTP/1.x responses (RFC 9112) from a stream of bytes that may be split anywhere. This is a plain object
    # without a connection: append the data that arrives, and call {#shift} for the response to one request after the
    # other.
    #
    #   parser << data
    #   while (response = parser.shift("GET"))
    #     ...
    #   end
    #
    # Interim responses (1xx) are skipped. The parser must not be used after an error.
    class HttpResponseParser
      # How many empty lines may precede a response: some servers send one after a body that its length does not
      # include.
      MAX_BLANK_LINES = 10

      BLANK_LINES = /\A[\r\n]*\z/n.freeze
      private_constant :BLANK_LINES

      # @param max_header_lines [Numeric] not counting the status line; trailers have a separate count with the same
      #   limit
      # @param max_header_bytes [Numeric] of the status line and the header; likewise of trailers and chunk extensions
      # @param max_content_bytes [Numeric] of a body
      def initialize(max_header_lines: 100, max_header_bytes: 64 << 10, max_content_bytes: 32 << 20)
        @max_content_bytes = max_content_bytes
        @input = HttpInput.new
        @lines = HttpHeaderLines.new(@input, max_header_lines + 1, max_header_bytes)
        start
      end

      # @param data [String] binary; neither changed nor kept
      # @return [self]
      def <<(data)
        @input << data
        self
      end

      # @param verb [String] the method of the request, in capitals
      # @return [HttpResponse, nil] its response, if it is complete
      # @raise [HttpError]
      def shift(verb)
        @verb = verb
        @step = __send__(@step) || (return) until @step == :complete
        take
      end

      # To be called when the peer has closed the connection in an orderly way, which ends a body without a length.
      # @return [HttpResponse, nil] nil if there is no complete response
      # @raise [HttpError]
      def finish
        return unless @step == :read_to_the_end

        @response.content = @input.rest
        take
      end

      # Whether more has arrived than was requested, not counting empty lines.
      def surplus?
        @input.bytesize.positive? && (@input.bytesize > 2 * MAX_BLANK_LINES || !BLANK_LINES.match?(@input.peek))
      end

      private

      def start
        @blank_lines = 0
        @response = nil
        restart
      end

      def restart
        @lines.start
        @step = :read_status_line
      end

      def take
        response = @response
        start
        response
      end

      # Each step returns the next one, or nil if it needs more input.
      def read_status_line
        lines = @lines.header(HttpResponse::PLAIN_HEADER)
        return read_header(lines) if lines

        line = @lines.line or return
        return skip_blank_line if line.empty?

        @response = HttpResponse.new(line)
        :read_fields
      end

      def read_header(lines)
        @response = HttpResponse.new(lines.first, lines)
        finish_header
      end

      def skip_blank_line
        @lines.start
        refuse(:bad_request, "too many empty lines") if (@blank_lines += 1) > MAX_BLANK_LINES
        :read_status_line
      end

      def read_fields
        while (line = @lines.line)
          return finish_header if line.empty?

          @response << line
        end
      end

      def finish_header
        return skip_interim if @response.interim?
        return complete(String.new) unless @response.body?(@verb)

        @lines.start
        read_body(HttpFraming.of(@response))
      end

      # Status 101 would switch to a protocol that was not requested.
      def skip_interim
        refuse(:bad_request, "unexpected change of protocol") if @response.status == 101
        restart
      end

      def read_body(framing)
        case framing
        when :chunked
          @chunks = HttpChunks.new(@input, @lines, @max_content_bytes)
          :read_chunks
        when :to_the_end then :read_to_the_end
        else
          limit_content(@length = framing)
          read_counted || :read_counted
        end
      end

      def read_counted
        complete(@input.take(@length) || (return))
      end

      def read_chunks
        complete(@chunks.read || (return))
      end

      def read_to_the_end
        limit_content(@input.bytesize)
        nil
      end

      def complete(content)
        @response.content = content
        :complete
      end

      def limit_content(bytes)
        refuse(:body_too_large, "body too large") if bytes > @max_content_bytes
      end

      def refuse(kind, text)
        raise HttpError.new(kind, text)
      end
    end
  end
end
