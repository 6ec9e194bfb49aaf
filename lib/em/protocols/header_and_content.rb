# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "eventmachine"
require "em/protocols/limits"
require "em/protocols/linetext2"

module EventMachine
  module Protocols
    # Requests like those of HTTP: header lines up to a blank one, followed by as many bytes of content as a header
    # states. Blank lines between requests are skipped. Any number of requests may follow one another. Lines end in LF
    # or CR LF.
    #
    # Classes define the callbacks that they need. For each request they are called in this order:
    #
    # - `receive_first_header_line(line)`, as soon as the line has arrived
    # - `receive_headers(lines)`, at the blank line, with all lines including the first
    # - `receive_request(lines, content)`, with "" if there is no content
    #
    # If the peer exceeds a limit, or sends a content length that is invalid or repeated, `receive_error(text)` is
    # called and the connection is closed. A request that is cut off by the end of the connection is dropped.
    class HeaderAndContentProtocol < Connection
      include LineText2
      extend Limits

      # A header that states the length of the content. The first group matches the text after the colon.
      ContentLengthPattern = /\Acontent-length[ \t]*:[ \t]*(.*)\z/mi.freeze

      HEADER = /\A([^\s:]+)\s*:\s*(.*)\z/m.freeze
      private_constant :HEADER

      # @!attribute max_header_lines
      #   @return [Numeric] how many header lines a request may have; 100 by default
      limit :max_header_lines, 100

      # @!attribute max_header_bytes
      #   @return [Numeric] how many bytes the header lines may have together, without line ends; 64 KiB by default
      limit :max_header_bytes, 64 * 1024

      # @!attribute max_content_bytes
      #   @return [Numeric] how many bytes of content a request may have; 32 MiB by default
      limit :max_content_bytes, MaxBinaryLength

      class << self
        # Makes a Hash of header lines. Lines without a colon behind their first word are left out. If a header is
        # repeated, the last one counts.
        # @param lines [Array<String>]
        # @return [Hash{Symbol => String}] "Content-Type: text/plain" becomes `:content_type => "text/plain"`
        def headers_2_hash(lines)
          lines.each_with_object({}) do |line, headers|
            name, value = HEADER.match(line)&.captures
            headers[name.downcase.tr("-", "_").to_sym] = value if name
          end
        end
      end

      # @see HeaderAndContentProtocol.headers_2_hash
      def headers_2_hash(lines)
        HeaderAndContentProtocol.headers_2_hash(lines)
      end

      # @private
      def receive_line(line)
        return hc_receive_header(line) unless line.empty?

        hc_receive_end if @hc_lines
      end

      # @private
      def receive_binary_data(content)
        lines = @hc_lines
        @hc_lines = nil
        hc_notify(:receive_request, lines, content)
      end

      # Drops an unfinished request. Methods that override this need not call `super`.
      def unbind(_reason = nil)
        @hc_lines = nil
        @lt2_text_size = nil
        parsing_reset
      end

      # @return [Numeric] the same as {#max_content_bytes}
      def max_binary_length
        max_content_bytes
      end

      private

      # A longer line exceeds the limit for the whole header.
      def parsing_longest_line
        max_header_bytes
      end

      def hc_receive_header(line)
        first = @hc_lines.nil?
        hc_start_request if first
        @hc_lines << line
        @hc_bytes += line.bytesize
        error = hc_error_of(line)
        return parsing_fail(error) if error

        hc_notify(:receive_first_header_line, line) if first
      end

      def hc_start_request
        @hc_lines = []
        @hc_bytes = 0
        @hc_length = nil
      end

      # @return [String, nil] why the request is refused
      def hc_error_of(line)
        return "too many header lines" if @hc_lines.size > max_header_lines
        return "overlength headers" if @hc_bytes > max_header_bytes

        length = ContentLengthPattern.match(line)
        length && hc_error_of_length(length[1])
      end

      def hc_error_of_length(text)
        return "extraneous content-length header" if @hc_length
        return "invalid content-length header" unless text.match?(/\A\d{1,18}[ \t]*\z/)

        @hc_length = text.to_i
        "overlength content" if @hc_length > max_content_bytes
      end

      # Content follows even if the callback raises.
      def hc_receive_end
        has_content = @hc_length&.positive?
        set_text_mode(@hc_length) if has_content
        hc_notify(:receive_headers, @hc_lines)
      ensure
        has_content || receive_binary_data("".b)
      end

      def hc_notify(callback, *arguments)
        __send__(callback, *arguments) if respond_to?(callback, true)
      end
    end
  end
end
