# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "em/protocols/delimiter"

module EventMachine
  module Protocols
    # Bytes that have arrived but are not consumed yet. They are cut into lines, or taken by size. The buffer calls no
    # callbacks; the protocols decide what to do with the pieces.
    #
    # Lines are cut in batches, which is most of the speed. A line counts as consumed only when it is taken; any other
    # operation continues right behind the last line taken. So a callback may change the mode between any two lines.
    # @api private
    class InputBuffer
      EMPTY = "".b.freeze
      LARGEST_BATCH = 64 * 1024
      private_constant :EMPTY, :LARGEST_BATCH

      # @param largest_batch [Integer] the most bytes that are cut into lines in advance; 0: one line at a time
      def initialize(largest_batch: LARGEST_BATCH)
        @largest_batch = largest_batch
        @batch = 0
        @lines = []
        @delimiter = Delimiter::LF
        clear
      end

      # @param delimiter [Delimiter] for all lines that are not taken yet
      def delimiter=(delimiter)
        put_back_lines
        @searched = 0
        @delimiter = delimiter
      end

      # @return [Integer] the number of unconsumed bytes
      def size
        put_back_lines
        @text.bytesize - @position
      end

      # Appends data that has arrived. The String is not changed, and may be changed afterwards.
      # @param data [String]
      # @return [void]
      def append(data)
        return replace(data) if size.zero?

        compact
        @text << data.b
      end

      # Inserts bytes in front of the unconsumed ones.
      # @param data [String]
      # @return [void]
      def put_back(data)
        return replace(data) if size.zero?
        return if data.empty?

        make_room(data.bytesize) if @position < data.bytesize
        @position -= data.bytesize
        @searched = 0
        @text[@position, data.bytesize] = data.b
      end

      # The next complete lines, which the caller shifts off the Array one by one. Empty if the next line is not
      # complete or is too long (see {#overlength?}).
      # @param longest [Numeric] the most bytes that a line may have
      # @return [Array<String>] Strings that share no memory with the buffer
      def lines(longest)
        return @lines unless @lines.empty?

        put_back_lines
        @too_long = false
        return @lines if @position == @text.bytesize

        @start = @position
        cut_batch([@batch, longest].min)
        cut_line(longest) if @lines.empty?
        @searched = @text.bytesize if @lines.empty?
        @lines
      end

      # Whether the line that begins now is too long, whatever follows. Call this when {#lines} is empty.
      # @param longest [Numeric] the most bytes that a line may have
      def overlength?(longest)
        excess = size - longest
        @too_long || (excess.positive? && excess > @delimiter.unfinished(@text))
      end

      # Takes bytes regardless of lines.
      # @param most [Integer] how many bytes to take, if there are as many
      # @return [String] shares no memory with the buffer
      def take(most)
        put_back_lines
        taken = String.new << @text.byteslice(@position, most)
        @position += taken.bytesize
        taken
      end

      # @return [String] all unconsumed bytes
      def take_all
        put_back_lines
        compact
        rest = @position.zero? ? @text : @text.byteslice(@position..)
        replace(EMPTY)
        rest
      end

      # Frees the memory of consumed bytes. Call this when nothing more is taken for now.
      # @return [void]
      def settle
        size.zero? ? replace(EMPTY) : compact
      end

      # Makes the lines that were cut but not taken unconsumed bytes again.
      # @return [void]
      def put_back_lines
        return unless @stop

        rest = @lines.size
        @batch = rest.zero? ? [[(@stop - @start) * 2, @batch].max, @largest_batch].min : 0
        @position = rest.zero? ? @stop : @delimiter.skip(@text, @start, @cut - rest)
        @lines.clear
        @stop = nil
      end

      # @return [void]
      def clear
        @lines.clear
        @stop = nil
        replace(EMPTY)
      end

      private

      def replace(data)
        @text = data.empty? ? EMPTY : data.b
        @position = 0
        @searched = 0
      end

      # Copies the unconsumed bytes to a new buffer if there are fewer of them than of consumed ones, or if they are an
      # unfinished line, which stays the same until more arrives. So all copying together takes linear time.
      def compact
        return if @position.zero? || (@position * 2 <= @text.bytesize && @searched < @text.bytesize)

        @text = String.new << @text.byteslice(@position..)
        @searched = [@searched - @position, 0].max
        @position = 0
      end

      # Makes more room than needed, so that putting back repeatedly takes linear time.
      def make_room(bytes)
        room = bytes + size
        @text = String.new("\0" * room) << @text.byteslice(@position..)
        @position = room
      end

      # Cuts so few bytes that no line among them can be too long, and at most twice as many as were taken of the batch
      # before. So in the long run, bytes that are cut in vain do not exceed those that are taken, nor do bytes that are
      # searched again exceed those that are searched for the first time.
      def cut_batch(bytes)
        return unless bytes.positive? && @text.bytesize - @searched > @searched - @position

        lines, length = @delimiter.cut(@text.byteslice(@position, bytes))
        store_lines(lines, @position + length) unless lines.empty?
      end

      def cut_line(longest)
        line, stop = @delimiter.first_line(@text, @position, [@searched, @position].max)
        @too_long = line && line.bytesize > longest
        store_lines([line], stop) if line && !@too_long
      end

      def store_lines(lines, stop)
        @lines = lines
        @cut = lines.size
        @stop = stop
      end
    end
  end
end
