# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

module EventMachine
  module Protocols
    # Raised by {HttpResponseParser} for a response that is malformed or too large. The HTTP clients turn it into a
    # failed request.
    class HttpError < RuntimeError
      # @return [Symbol] `:bad_request` for a malformed status line, `:bad_header` for malformed or too many header
      #   lines, `:unsupported_clen` where the end of the body is ambiguous, `:body_too_large`
      attr_reader :kind

      def initialize(kind, text)
        super(text)
        @kind = kind
      end
    end
  end
end
