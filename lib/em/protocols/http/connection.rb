# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "em/protocols/http/response_parser"
require "em/protocols/limits"

module EventMachine
  module Protocols
    # Shared by the connections of the HTTP clients: the parser with its limits, and the rule for when the end of the
    # connection is the end of a body.
    module HttpConnection
      extend Limits

      # @!attribute max_header_lines
      #   @return [Integer] how many header lines a response may have
      limit :max_header_lines, 100
      # @!attribute max_header_bytes
      #   @return [Integer] how many bytes the header of a response may have, including the status line; the same limit
      #     applies to chunk extensions and trailers together
      limit :max_header_bytes, 64 << 10
      # @!attribute max_content_bytes
      #   @return [Integer] how many bytes the body of a response may have
      limit :max_content_bytes, 32 << 20

      # Closes the connection. Data that arrives from now on is ignored.
      # @see Connection#close_connection
      def close_connection(after_writing = false)
        @closing = true
        super
      end

      # @see #close_connection
      def close_connection_after_writing
        @closing = true
        super
      end

      private

      # Created on first use, so that users can set the limits before.
      def parser
        @parser ||= HttpResponseParser.new(max_header_lines: max_header_lines, max_header_bytes: max_header_bytes,
                                           max_content_bytes: max_content_bytes)
      end

      # A body without a length is complete only if the peer closed the connection in an orderly way.
      def ended_by_peer?(reason)
        reason.nil? && !@closing && !EventMachine.stopping?
      end
    end
  end
end
