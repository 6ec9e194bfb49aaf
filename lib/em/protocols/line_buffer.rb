# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

module EventMachine
  module Protocols
    # Bytes that have arrived and are not consumed yet, and how they are cut: into lines, or by size. It calls nobody;
    # what is done with the pieces is the business of the protocols.
    #
    # Lines are cut in batches, which is most of the speed, but each one counts as consumed only once it is taken off
    # the batch: whatever else is asked for goes on right behind the last line taken.
    # @api private
    class LineBuffer
      EMPTY = "".b.freeze
      LF = "\n".b.freeze
      CR = 13
      LARGEST_BATCH = 1024

      # How many bytes of a Regexp's match are found when they arrive in pieces.
      LONGEST_MATCH = 1024
      private_constant :EMPTY, :LF, :CR, :LARGEST_BATCH, :LONGEST_MATCH

      # @param largest_batch [Integer] how many lines may be cut before it is known that they are wanted
      def initialize(largest_batch = LARGEST_BATCH)
        @largest_batch = largest_batch
        @batch = 1
        @lines = []
        @cut = 0
        replace(EMPTY)
        self.delimiter = LF
      end

      # @param delimiter [String, Regexp] of all lines not taken yet
      # @raise [ArgumentError] if it is empty, or a Regexp that cannot match binary text
      def delimiter=(delimiter)
        delimiter = delimiter.is_a?(Regexp) ? binary_pattern(delimiter) : binary_text(delimiter)
        put_back_lines
        @searched = 0
        @delimiter = delimiter
      end

      # @return [Integer] how many bytes are not consumed
      def size
        put_back_lines
        @text.bytesize - @position
      end

      # Adds what has arrived. The String is not changed, nor kept if it is the caller's to change.
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

        make_room(data.bytesize) if @position < data.bytesize
        @position -= data.bytesize
        @searched = 0
        @text[@position, data.bytesize] = data.b
      end

      # The next complete lines, which the caller shifts off the Array one by one. None if the next line is not
      # complete, or too long (see {#overlength?}).
      # @param longest [Numeric] bytes that a line may have
      # @return [Array<String>]
      def lines(longest)
        return @lines unless @lines.empty?

        @batch = [@batch * 2, @largest_batch].min if @cut == @batch
        put_back_lines
        @lines = searched? ? [] : cut_lines(longest)
        @cut = @lines.size
        @searched = @text.bytesize if @cut.zero?
        @lines
      end

      # Whether the line that begins now is too long, whatever follows. To be asked when there are no {#lines}.
      # @param longest [Numeric] bytes that a line may have
      def overlength?(longest)
        excess = size - longest
        return excess > 1 || (excess == 1 && @text.getbyte(-1) != CR) if @delimiter == LF

        excess > (@delimiter.is_a?(Regexp) ? LONGEST_MATCH : @delimiter.bytesize - 1)
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
        @position.zero? ? @text : @text.byteslice(@position..)
      ensure
        replace(EMPTY)
      end

      # Frees the memory of what is consumed. To be called when no more is taken for now.
      # @return [void]
      def settle
        size.zero? ? replace(EMPTY) : compact
      end

      # @return [void]
      def clear
        @lines.clear
        @cut = 0
        replace(EMPTY)
      end

      private

      def replace(data)
        @text = data.b
        @position = 0
        @searched = 0
      end

      # Copies what is left, if that is less than what is consumed: so all copying together takes linear time.
      def compact
        return if @position * 2 <= @text.bytesize

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

      # Forgets the lines cut, but for those taken.
      def put_back_lines
        return if @cut.zero?

        taken = @cut - @lines.size
        unless @lines.empty?
          @lines.clear
          @batch = 1
        end
        @cut = 0
        taken.times { @position = line_end.last }
      end

      # Whether all that is here was searched before.
      def searched?
        return false if @searched <= @position

        @delimiter.is_a?(Regexp) ? false : !@text.index(@delimiter, [@searched - @delimiter.bytesize + 1, @position].max)
      end

      def cut_lines(longest)
        lines = []
        position = @position
        while lines.size < @batch && (found = line_end(position))
          line = @text.byteslice(position, found.first - position)
          line = line.delete_suffix("\r") if @delimiter == LF
          break if line.bytesize > longest

          lines << line
          position = found.last
        end
        lines
      end

      # @return [Array, nil] where the delimiter begins and ends
      def line_end(position = @position)
        return match(position) if @delimiter.is_a?(Regexp)

        found = @text.index(@delimiter, position)
        found && [found, found + @delimiter.bytesize]
      end

      # The line is matched alone, so that what came before cannot matter.
      def match(position)
        rest = @text.byteslice(position..)
        from = [@searched - position - LONGEST_MATCH, 0].max
        while (found = @delimiter.match(rest, from))
          return found.offset(0).map { |offset| offset + position } if found.end(0) > found.begin(0)

          from = found.end(0) + 1
        end
      end

      def binary_text(delimiter)
        text = delimiter.to_s.b.freeze
        raise ArgumentError, "the delimiter must not be empty" if text.empty?

        text
      end

      def binary_pattern(pattern)
        return pattern unless pattern.fixed_encoding? && pattern.encoding != Encoding::BINARY

        raise ArgumentError, "the delimiter must match bytes (like /.../n), not characters of #{pattern.encoding}"
      end
    end
  end
end
