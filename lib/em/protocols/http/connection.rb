# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "em/protocols/http/response_parser"
require "em/protocols/limits"

module EventMachine
  module Protocols
    # What connections of the HTTP clients share: the parser with its limits, and which end of a connection counts as
    # the end of a body.
    module HttpConnection
      extend Limits

      # @!attribute max_header_lines
      #   @return [Integer] how many header lines a response may have
      limit :max_header_lines, 100
      # @!attribute max_header_bytes
      #   @return [Integer] how many bytes the header of a response may have, with the status line; chunk extensions and
      #     trailers together may have as many
      limit :max_header_bytes, 64 << 10
      # @!attribute max_content_bytes
      #   @return [Integer] how many bytes the body of a response may have
      limit :max_content_bytes, 32 << 20

      # What arrives from now on is ignored.
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

      # Made when it is needed, so that users may set the limits before.
      def parser
        @parser ||= HttpResponseParser.new(max_header_lines: max_header_lines, max_header_bytes: max_header_bytes,
                                           max_content_bytes: max_content_bytes)
      end

      # A body without a length is complete only if the peer has ended the connection, and has not broken it off.
      def ended_by_peer?(reason)
        reason.nil? && !@closing && !EventMachine.stopping?
      end
    end
  end
end
