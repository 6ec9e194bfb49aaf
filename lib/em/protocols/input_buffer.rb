# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "em/protocols/delimiter"

module EventMachine
  module Protocols
    # Bytes that have arrived and are not consumed yet, and how they are cut: into lines, or by size. It calls nobody;
    # what is done with the pieces is the business of the protocols.
    #
    # Many lines are cut at once, which is most of the speed, but each one counts as consumed only when it is taken:
    # whatever else is asked for goes on right behind the last line taken. So callbacks may change their mind between
    # any two lines.
    # @api private
    class InputBuffer
      EMPTY = "".b.freeze
      LARGEST_BATCH = 64 * 1024
      private_constant :EMPTY, :LARGEST_BATCH

      # @param largest_batch [Integer] how many bytes are cut into lines before it is known that these are wanted; 0:
      #   one line at a time
      def initialize(largest_batch: LARGEST_BATCH)
        @largest_batch = largest_batch
        @batch = 0
        @lines = []
        @delimiter = Delimiter::LF
        clear
      end

      # @param delimiter [Delimiter] of all lines not taken yet
      def delimiter=(delimiter)
        put_back_lines
        @searched = 0
        @delimiter = delimiter
      end

      # @return [Integer] how many bytes are not consumed
      def size
        put_back_lines
        @text.bytesize - @position
      end

      # Adds what has arrived. The String is not changed, and may be changed afterwards.
      # @param data [String]
      # @return [void]
      def append(data)
        return replace(data) if size.zero?

        compact
        @text << data.b
      end

      # Puts bytes in front of those that are not consumed yet.
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

      # The next complete lines, which the caller shifts off the Array one by one. None if the next line is not
      # complete, or too long (see {#overlength?}).
      # @param longest [Numeric] bytes that a line may have
      # @return [Array<String>] each a String of its own
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

      # Whether the line that begins now is too long, whatever follows. To be asked when there are no {#lines}.
      # @param longest [Numeric] bytes that a line may have
      def overlength?(longest)
        excess = size - longest
        @too_long || (excess.positive? && excess > @delimiter.unfinished(@text))
      end

      # Takes bytes, whatever they are.
      # @param most [Integer]
      # @return [String] of its own
      def take(most)
        put_back_lines
        taken = String.new << @text.byteslice(@position, most)
        @position += taken.bytesize
        taken
      end

      # @return [String] all that is not consumed
      def take_all
        put_back_lines
        compact
        rest = @position.zero? ? @text : @text.byteslice(@position..)
        replace(EMPTY)
        rest
      end

      # Frees the memory of what is consumed. To be called when no more is taken for now.
      # @return [void]
      def settle
        size.zero? ? replace(EMPTY) : compact
      end

      # Lines cut but not taken count as not consumed again.
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

      # Copies what is left, if that is less than what is consumed, or an unfinished line that stays the same until more
      # arrives: so all copying together takes linear time.
      def compact
        return if @position.zero? || (@position * 2 <= @text.bytesize && @searched < @text.bytesize)

        @text = String.new << @text.byteslice(@position..)
        @searched = [@searched - @position, 0].max
        @position = 0
      end

      # Makes more room than needed, so that putting back again and again takes linear time.
      def make_room(bytes)
        room = bytes + size
        @text = String.new("\0" * room) << @text.byteslice(@position..)
        @position = room
      end

      # Cuts so little that no line in it can be too long, and at most twice as much as was taken before at once: so in
      # the long run no more is cut for nothing than for use. Nor is more searched again than for the first time.
      def cut_batch(bytes)
        return unless bytes.positive? && @text.bytesize - @searched > @searched - @position

        lines, length = @delimiter.cut(@text.byteslice(@position, bytes))
        note_lines(lines, @position + length) unless lines.empty?
      end

      def cut_line(longest)
        line, stop = @delimiter.first_line(@text, @position, [@searched, @position].max)
        @too_long = line && line.bytesize > longest
        note_lines([line], stop) if line && !@too_long
      end

      def note_lines(lines, stop)
        @lines = lines
        @cut = lines.size
        @stop = stop
      end
    end
  end
end
