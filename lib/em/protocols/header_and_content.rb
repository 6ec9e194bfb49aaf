# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "eventmachine"
require "em/protocols/limits"
require "em/protocols/linetext2"

module EventMachine
  module Protocols
    # Requests like those of HTTP: lines up to a blank one, and then as many bytes of content as a header says. Blank
    # lines between requests are skipped; any number of requests may follow each other. Lines end in LF or CR LF.
    #
    # Classes define those callbacks they care for, here in the order in which they are called for each request:
    #
    # - `receive_first_header_line(line)`, as soon as there is one
    # - `receive_headers(lines)`, at the blank line; all of them, the first one included
    # - `receive_request(lines, content)`, with "" if there is no content
    #
    # The connection is closed, after `receive_error(text)`, if the peer exceeds a limit or gives the length of the
    # content wrong or twice. A request cut off by the end of the connection is dropped.
    class HeaderAndContentProtocol < Connection
      include LineText2
      extend Limits

      # A header with the length of the content; what is behind the colon is matched first.
      ContentLengthPattern = /\Acontent-length[ \t]*:[ \t]*(.*)\z/mi.freeze

      HEADER = /\A([^\s:]+)\s*:\s*(.*)\z/m.freeze
      private_constant :HEADER

      # @!attribute max_header_lines
      #   @return [Numeric] how many lines a request may begin with; 100 by default
      limit :max_header_lines, 100

      # @!attribute max_header_bytes
      #   @return [Numeric] how many bytes these may have together, line ends not counted; 64 KiB by default
      limit :max_header_bytes, 64 * 1024

      # @!attribute max_content_bytes
      #   @return [Numeric] how many bytes of content a request may have; 32 MiB by default
      limit :max_content_bytes, MaxBinaryLength

      class << self
        # Makes a Hash of header lines. What has no colon behind its first word is left out; of headers with the same
        # name the last one counts.
        # @param lines [Array<String>]
        # @return [Hash{Symbol => String}] of "Content-Type: text/plain" it is `:content_type => "text/plain"`
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

      # Drops what has arrived of a request. Overriding needs no `super`.
      def unbind(_reason = nil)
        @hc_lines = nil
        @lt2_text_size = nil
        parsing_reset
      end

      # @return [Numeric] as {#max_content_bytes}
      def max_binary_length
        max_content_bytes
      end

      private

      # A longer line would be too much in any case.
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

      # What follows is content, also if the callback raises.
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
