# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "em/protocols/parsing"

module EventMachine
  module Protocols
    # Shared by the protocols that receive lines: the limit for a line, and the loop over the lines.
    module LineParsing
      include Parsing

      LONGEST_LINE = 1024 * 1024
      METHOD = Kernel.instance_method(:method)
      private_constant :LONGEST_LINE, :METHOD

      # @return [Numeric] the most bytes that a line may have, without its delimiter; Float::INFINITY for no limit. May
      #   be overridden, even by a method whose result changes from line to line.
      def max_line_length
        @max_line_length || parsing_longest_line
      end

      # @param bytes [Numeric]
      def max_line_length=(bytes)
        parsing_input.put_back_lines
        @max_line_length = bytes
      end

      private

      def parsing_longest_line
        LONGEST_LINE
      end

      # If `max_line_length` is overridden, it is called before each line.
      def parsing_input
        @parsing_input ||= begin
          steady = METHOD.bind_call(self, :max_line_length).owner == LineParsing
          steady ? InputBuffer.new : InputBuffer.new(largest_batch: 0)
        end
      end

      # @return [Boolean] whether there may be more lines
      def parsing_receive_lines
        longest = max_line_length
        lines = parsing_input.lines(longest)
        return parsing_input.overlength?(longest) && parsing_fail("overlength line") if lines.empty?

        while (line = lines.shift)
          receive_line(line)
        end
        true
      end
    end
  end
end
