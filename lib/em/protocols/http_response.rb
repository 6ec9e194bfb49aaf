# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "em/protocols/http_error"

module EventMachine
  module Protocols
    # A response while it is read by {HttpResponseParser}, line by line, and when it is complete. All its texts are
    # binary.
    # @private
    class HttpResponse
      STATUS_LINE = %r{\AHTTP/1\.([01])[ \t]+([1-9]\d\d)(?:[ \t][^\r\0]*)?\z}n.freeze
      FIELD = /\A[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[^\r\0]*\z/n.freeze
      FOLDED = /\A[ \t][^\r\0]*\z/n.freeze
      WITHOUT_BODY = [204, 304].freeze
      private_constant :STATUS_LINE, :FIELD, :FOLDED, :WITHOUT_BODY

      # @return [Integer] three digits
      attr_reader :status
      # @return [String] "1.0" or "1.1"
      attr_reader :version
      # @return [Array<String>] the status line and the header lines without their ends; folded ones are joined
      attr_reader :header_lines
      # @return [String] the body
      attr_accessor :content

      # @param status_line [String]
      # @raise [HttpError]
      def initialize(status_line)
        match = STATUS_LINE.match(status_line) or raise HttpError.new(:bad_request, "malformed status line")
        @version = match[1] == "1" ? "1.1" : "1.0"
        @status = match[2].to_i
        @header_lines = [status_line]
      end

      # @param line [String] a header line
      # @raise [HttpError]
      # @return [void]
      def <<(line)
        self.class.check_field(line, @header_lines.size > 1)
        line.start_with?(" ", "\t") ? unfold(line) : @header_lines << line
      end

      # RFC 9112, section 5: no blank before the colon, no bare CR. A folded line needs a field to belong to.
      # @raise [HttpError]
      # @return [void]
      def self.check_field(line, may_be_folded)
        return if FIELD.match?(line) || (may_be_folded && FOLDED.match?(line))

        raise HttpError.new(:bad_header, "malformed header line")
      end

      # @return [Hash{String => Array<String>}] from each name in lower case to its values, in order
      def headers
        @headers ||= @header_lines.drop(1).each_with_object({}) do |line, headers|
          name, value = line.split(":", 2)
          (headers[name.downcase] ||= []) << value.strip
        end
      end

      # Whether another response follows, which is the one that counts.
      def interim?
        @status < 200
      end

      # RFC 9112, section 6.3: some responses end with their header, whatever it says of a length.
      # @param verb [String] of the request
      def body?(verb)
        verb != "HEAD" && !WITHOUT_BODY.include?(@status)
      end

      # Whether the connection may be used for more, RFC 9112, section 9.3.
      def persistent?
        options = list("connection")
        return false if options.include?("close")

        @version == "1.1" || options.include?("keep-alive")
      end

      # @param name [String] of a field whose value is a list of tokens
      # @return [Array<String>] in lower case
      def list(name)
        values = headers[name] or return []
        values.join(",").downcase.split(",").map(&:strip).reject(&:empty?)
      end

      private

      def unfold(line)
        @header_lines.last << " " << line.strip
      end
    end
  end
end
