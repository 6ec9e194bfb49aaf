# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "em/protocols/http/error"

module EventMachine
  module Protocols
    # Determines where the body of a response ends (RFC 9112, section 6.3). Two parties that disagree about this see two
    # different streams of responses, so anything ambiguous is refused.
    # @private
    module HttpFraming
      CODINGS = %w[chunked compress deflate gzip x-compress x-gzip].freeze
      LENGTH = /\A\d{1,19}\z/n.freeze
      private_constant :CODINGS, :LENGTH

      # @param response [HttpResponse] its header
      # @return [Integer, Symbol] the number of bytes; `:chunked`; or `:to_the_end`, that of the connection
      # @raise [HttpError]
      def self.of(response)
        codings = response.framing["transfer-encoding"]
        lengths = response.framing["content-length"]
        return by_coding(response.version, codings, lengths) if codings

        lengths ? by_length(lengths) : :to_the_end
      end

      # The clients never request codings besides chunked. Decoding them is left to the user.
      def self.by_coding(version, codings, lengths)
        refuse("both a length and a transfer coding") if lengths
        refuse("a transfer coding in HTTP/1.0") if version == "1.0"
        codings = codings.join(",").downcase.split(",").map(&:strip).reject(&:empty?)
        refuse("unknown transfer coding") if codings.empty? || !(codings - CODINGS).empty?
        refuse("chunked twice") if codings.count("chunked") > 1
        codings.last == "chunked" ? :chunked : :to_the_end
      end

      def self.by_length(lengths)
        refuse("contradictory lengths") if lengths.size > 1 && lengths.uniq.size > 1
        refuse("malformed length") unless LENGTH.match?(lengths.first)
        lengths.first.to_i
      end

      def self.refuse(text)
        raise HttpError.new(:unsupported_clen, text)
      end
      private_class_method :by_coding, :by_length, :refuse
    end
  end
end
