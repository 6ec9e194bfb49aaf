# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "em/protocols/http/error"

module EventMachine
  module Protocols
    # A response, while {HttpResponseParser} reads it line by line and when it is complete. All its texts are binary.
    # @private
    class HttpResponse
      STATUS = %r{HTTP/1\.[01] [1-9]\d\d(?: [^\r\n\0]*+)?}n.freeze
      FIELD = /[!#$%&'*+\-.^_`|~0-9A-Za-z]++:[^\r\n\0]*+/n.freeze
      STATUS_LINE = /\A#{STATUS}\z/n.freeze
      FIELD_LINE = /\A#{FIELD}\z/n.freeze
      FOLDED_LINE = /\A[ \t][^\r\n\0]*+\z/n.freeze
      FRAMING_LINE = /\A(?:connection|content-length|transfer-encoding):/ni.freeze
      CLOSE = /(?:\A|,)[ \t]*close[ \t]*(?:,|\z)/ni.freeze
      KEEP_ALIVE = /(?:\A|,)[ \t]*keep-alive[ \t]*(?:,|\z)/ni.freeze
      WITHOUT_BODY = [204, 304].freeze
      private_constant :STATUS, :FIELD, :STATUS_LINE, :FIELD_LINE, :FOLDED_LINE, :FRAMING_LINE, :CLOSE,
                       :KEEP_ALIVE, :WITHOUT_BODY

      # A header without folded lines, all of whose lines end in CRLF.
      PLAIN_HEADER = /\A#{STATUS}\r\n(?:#{FIELD}\r\n)*+\r\n\z/n.freeze

      # @return [Integer] three digits
      attr_reader :status
      # @return [Array<String>] the status line and the header lines without line ends; folded lines are joined
      attr_reader :header_lines
      # @return [String] the body
      attr_accessor :content

      # @param status_line [String]
      # @param lines [Array<String>] the status line and the header lines, if they have been checked
      # @raise [HttpError]
      def initialize(status_line, lines = [status_line])
        raise HttpError.new(:bad_request, "malformed status line") unless STATUS_LINE.match?(status_line)

        @status = status_line.byteslice(9, 3).to_i
        @header_lines = lines
      end

      # @return [String] "1.0" or "1.1"
      def version
        @header_lines.first.byteslice(5, 3)
      end

      # @param line [String] a header line
      # @raise [HttpError]
      # @return [void]
      def <<(line)
        self.class.check_field(line, @header_lines.size > 1)
        line.start_with?(" ", "\t") ? unfold(line) : @header_lines << line
      end

      # Checks a header line by RFC 9112, section 5: no blank before the colon, no bare CR, and no folded line before
      # the first field.
      # @raise [HttpError]
      # @return [void]
      def self.check_field(line, may_be_folded)
        return if FIELD_LINE.match?(line) || (may_be_folded && FOLDED_LINE.match?(line))

        raise HttpError.new(:bad_header, "malformed header line")
      end

      # @return [Hash{String => Array<String>}] the values of each header in order, by its name in lower case
      def headers
        @headers ||= fields(@header_lines.drop(1))
      end

      # The same, but only with the fields that determine where the response and the connection end. Few users need all.
      def framing
        @framing ||= fields(@header_lines.grep(FRAMING_LINE))
      end

      # Whether this is an interim response, which the final one follows.
      def interim?
        @status < 200
      end

      # RFC 9112, section 6.3: some responses end with their header, whatever length it states.
      # @param verb [String] of the request
      def body?(verb)
        verb != "HEAD" && !WITHOUT_BODY.include?(@status)
      end

      # Whether the connection stays open for further requests (RFC 9112, section 9.3).
      def persistent?
        options = framing["connection"]&.join(",") || ""
        version == "1.1" ? !CLOSE.match?(options) : KEEP_ALIVE.match?(options) && !CLOSE.match?(options)
      end

      private

      def fields(lines)
        fields = {}
        lines.each do |line|
          colon = line.index(":")
          name = line.byteslice(0, colon).downcase.freeze
          value = line.byteslice(colon + 1, line.bytesize)
          value.strip!
          (fields[name] ||= []) << value
        end
        fields
      end

      def unfold(line)
        @header_lines.last << " " << line.strip
      end
    end
  end
end
