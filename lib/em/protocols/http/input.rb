# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

module EventMachine
  module Protocols
    # The bytes that have come and are not understood yet, for {HttpResponseParser}: they leave as lines or counted.
    # No byte is searched or moved twice.
    # @private
    class HttpInput
      # A String that is cut off the end of another one shares its memory, and would keep all of it alive. For many
      # bytes that is cheaper than a copy.
      SHARED_BYTES = 32 << 10
      private_constant :SHARED_BYTES

      # How many bytes are left.
      attr_reader :bytesize

      def initialize
        @buffer = String.new(encoding: Encoding::BINARY)
        @position = 0
        @searched = 0
        @bytesize = 0
      end

      # @param data [String] copied; binary
      # @return [self]
      def <<(data)
        forget_what_is_read if @position.positive?
        @buffer << data
        @bytesize += data.bytesize
        self
      end

      # @return [String, nil] the next line with its line end; nil if that has not come
      def line
        stop = @buffer.index("\n", @searched)
        return take(stop + 1 - @position) if stop

        @searched = @buffer.bytesize
        nil
      end

      # @return [String, nil] that many bytes; nil while fewer are left
      def take(count)
        return if count > @bytesize

        bytes = @buffer.byteslice(@position, count)
        bytes = String.new << bytes if count == @bytesize && count < SHARED_BYTES
        skip(count)
        bytes
      end

      # @param count [Integer] not more than are left
      # @return [void]
      def skip(count)
        @searched = @position += count
        @bytesize -= count
      end

      # @param text [String]
      # @return [String, nil] the bytes until the end of this text, which stay; nil if it has not come, or if a line was
      #   searched in vain in these bytes
      def peek_through(text)
        return unless @searched == @position && (stop = @buffer.index(text, @position))

        @buffer.byteslice(@position, stop + text.bytesize - @position)
      end

      # @return [String] all that is left
      def rest
        take(@bytesize)
      end

      # @return [String] the same, which stays
      def peek
        @buffer.byteslice(@position, @bytesize)
      end

      private

      def forget_what_is_read
        @bytesize.zero? ? @buffer.clear : @buffer[0, @position] = ""
        @searched -= @position
        @position = 0
      end
    end
  end
end
