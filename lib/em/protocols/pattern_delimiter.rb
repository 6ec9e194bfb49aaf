# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "strscan"

module EventMachine
  module Protocols
    # A Regexp as the delimiter of lines. The text in front of a line never affects the match.
    # @api private
    class PatternDelimiter
      # The most bytes of a match that may arrive before the rest of it.
      LONGEST_MATCH = 256

      # Occurs in every Regexp whose match depends on the text in front of it. Such a Regexp is matched against a String
      # that begins with the line. Others are matched in place, because a slice shares memory with the buffer after a
      # match, and the next change in front of the rest would copy all of it.
      LOOKING_BACK = /\\[AbBGK]|\^|\(\?<[=!]/.freeze
      private_constant :LONGEST_MATCH, :LOOKING_BACK

      # @param pattern [Regexp]
      def initialize(pattern)
        if pattern.fixed_encoding? && pattern.encoding != Encoding::BINARY
          raise ArgumentError, "the delimiter must match bytes (as /.../n does), not characters of #{pattern.encoding}"
        end

        @pattern = pattern
        @looks_back = pattern.source.match?(LOOKING_BACK)
        @scanner = StringScanner.new("")
      end

      # Cuts no lines, since the end of a line depends on what follows.
      def cut(_text)
        [[], 0]
      end

      def first_line(text, start, searched)
        from = [searched - LONGEST_MATCH, start].max
        line_end, stop = @looks_back ? match(text, start, from) : scan(text, from)
        line_end && [text.byteslice(start, line_end - start), stop]
      end

      # Lines are cut one by one, so there are none to skip.
      def skip(_text, start, _lines)
        start
      end

      def unfinished(_text)
        LONGEST_MATCH
      end

      private

      # Empty matches are ignored.
      # @return [Array(Integer, Integer), nil] where the match begins and ends
      def scan(text, from)
        @scanner.string = text
        @scanner.pos = from
        while (distance = @scanner.exist?(@pattern))
          stop = @scanner.pos + distance
          return [stop - @scanner.matched_size, stop] if @scanner.matched_size.positive?
          return if stop == text.bytesize

          @scanner.pos = stop + 1
        end
      ensure
        @scanner.string = ""
      end

      # Like {#scan}, for patterns that look back, but not beyond the start of the line.
      def match(text, start, from)
        line = text.byteslice(start..)
        from -= start
        while from <= line.bytesize && (found = @pattern.match(line, from))
          return [start + found.begin(0), start + found.end(0)] if found.end(0) > found.begin(0)

          from = found.end(0) + 1
        end
      end
    end
  end
end
