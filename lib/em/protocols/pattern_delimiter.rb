# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

module EventMachine
  module Protocols
    # A Regexp that ends lines. What is in front of a line cannot matter.
    # @api private
    class PatternDelimiter
      # How many bytes of a match may arrive before the rest of it does.
      LONGEST_MATCH = 256

      # What may be in a Regexp to which it matters what is in front of a match. Others need no String that begins with the
      # line, which Ruby would look through for each line.
      LOOKING_BACK = /\\[AbBGK]|\^|\(\?<[=!]/.freeze
      private_constant :LONGEST_MATCH, :LOOKING_BACK

      # @param pattern [Regexp]
      def initialize(pattern)
        if pattern.fixed_encoding? && pattern.encoding != Encoding::BINARY
          raise ArgumentError, "the delimiter must match bytes (as /.../n does), not characters of #{pattern.encoding}"
        end

        @pattern = pattern
        @looks_back = pattern.source.match?(LOOKING_BACK)
      end

      # Cuts no line, since where one ends depends on what follows.
      def cut(_text)
        [[], 0]
      end

      def first_line(text, start, searched)
        before = @looks_back ? start : 0
        rest = before.zero? ? text : text.byteslice(before..)
        found = match(rest, [searched - LONGEST_MATCH, start].max - before)
        found && [rest.byteslice(start - before, found.begin(0) - start + before), before + found.end(0)]
      end

      # Lines are cut one by one: there are none to skip.
      def skip(_text, start, _lines)
        start
      end

      def unfinished(_text)
        LONGEST_MATCH
      end

      private

      # A match of nothing is none.
      def match(text, from)
        while from <= text.bytesize && (found = @pattern.match(text, from))
          return found if found.end(0) > found.begin(0)

          from = found.end(0) + 1
        end
      end
    end
  end
end
