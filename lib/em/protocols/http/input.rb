# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

module EventMachine
  module Protocols
    # The input buffer of {HttpResponseParser}. Bytes leave it as lines, or by number. No byte is searched or moved
    # twice.
    # @private
    class HttpInput
      # A slice at the end of a String shares its memory and would keep all of it alive. From this many bytes on, that
      # is cheaper than a copy.
      SHARED_BYTES = 32 << 10
      private_constant :SHARED_BYTES

      # @return [Integer] how many bytes are left
      attr_reader :bytesize

      def initialize
        @buffer = String.new(encoding: Encoding::BINARY)
        @position = 0
        @searched = 0
        @bytesize = 0
      end

      # @param data [String] binary; copied
      # @return [self]
      def <<(data)
        discard_read_bytes if @position.positive?
        @buffer << data
        @bytesize += data.bytesize
        self
      end

      # @return [String, nil] the next line with its end; nil if it has not arrived
      def line
        stop = @buffer.index("\n", @searched)
        return take(stop + 1 - @position) if stop

        @searched = @buffer.bytesize
        nil
      end

      # @return [String, nil] this many bytes; nil if fewer are left
      def take(count)
        return if count > @bytesize

        bytes = @buffer.byteslice(@position, count)
        bytes = String.new << bytes if count == @bytesize && count < SHARED_BYTES
        skip(count)
        bytes
      end

      # @param count [Integer] at most the number of bytes left
      # @return [void]
      def skip(count)
        @searched = @position += count
        @bytesize -= count
      end

      # @param text [String]
      # @return [String, nil] the bytes up to the end of this text, which stay in the buffer; nil if it has not arrived,
      #   or if these bytes were already searched for a line end without success
      def peek_through(text)
        return unless @searched == @position && (stop = @buffer.index(text, @position))

        @buffer.byteslice(@position, stop + text.bytesize - @position)
      end

      # @return [String] all remaining bytes
      def rest
        take(@bytesize)
      end

      # @return [String] all remaining bytes, which stay in the buffer
      def peek
        @buffer.byteslice(@position, @bytesize)
      end

      private

      def discard_read_bytes
        @bytesize.zero? ? @buffer.clear : @buffer[0, @position] = ""
        @searched -= @position
        @position = 0
      end
    end
  end
end
