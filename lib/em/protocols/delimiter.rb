# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "em/protocols/pattern_delimiter"

module EventMachine
  module Protocols
    # The delimiter that ends lines in binary text. Positions and lengths are in bytes.
    # @api private
    class Delimiter
      # @param delimiter [Regexp, #to_s]
      # @return [Delimiter]
      # @raise [ArgumentError] if it is empty, or a Regexp that cannot match binary text
      def self.for(delimiter)
        return PatternDelimiter.new(delimiter) if delimiter.is_a?(Regexp)

        text = delimiter.to_s.b.freeze
        text == "\n" ? LF : new(text)
      end

      # @param text [String] binary
      def initialize(text)
        raise ArgumentError, "the delimiter must not be empty" if text.empty?

        @text = text
      end

      # Cuts complete lines.
      # @param text [String]
      # @return [Array(Array<String>, Integer)] the lines, and their total length including delimiters
      def cut(text)
        lines = @text == " " ? text.split(/ /n, -1) : text.split(@text, -1)
        rest = lines.pop
        [lines, text.bytesize - (rest ? rest.bytesize : 0)]
      end

      # Finds the first complete line.
      # @param start [Integer] where the line begins
      # @param searched [Integer] no delimiter ends before this position
      # @return [Array(String, Integer), nil] the line, and where the next one begins
      def first_line(text, start, searched)
        found = text.index(@text, [searched - @text.bytesize + 1, start].max)
        found && [line(text, start, found), found + @text.bytesize]
      end

      # @param start [Integer] where a line begins
      # @return [Integer] where the line begins that is this many lines further on
      def skip(text, start, lines)
        lines.times { start = text.index(@text, start) + @text.bytesize }
        start
      end

      # @param text [String] ends in an unfinished line
      # @return [Integer] how many of its last bytes may turn out to be part of a delimiter
      def unfinished(text)
        @text.bytesize - 1
      end

      private

      # This slice is a copy: only a slice at the end of a String shares its memory.
      def line(text, start, stop)
        text.byteslice(start, stop - start)
      end

      # LF, or CR LF.
      class LineFeed < Delimiter
        CR = 13
        private_constant :CR

        def initialize
          super("\n".b.freeze)
        end

        def cut(text)
          return super unless text.include?("\r")

          last = text.rindex("\n")
          return [[], 0] unless last

          lines = text.lines("\n", chomp: true)
          lines.pop if last + 1 < text.bytesize
          [lines, last + 1]
        end

        def unfinished(text)
          text.end_with?("\r") ? 1 : 0
        end

        private

        def line(text, start, stop)
          stop -= 1 if stop > start && text.getbyte(stop - 1) == CR
          super
        end
      end

      LF = LineFeed.new.freeze
    end
  end
end
