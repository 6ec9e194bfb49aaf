# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "em/protocols/line_parsing"

module EventMachine
  module Protocols
    # Lines that end in LF or CR LF, and nothing else. {LineText2} does more at the same cost.
    #
    #   class Shouter < EM::Connection
    #     include EM::P::LineProtocol
    #
    #     def receive_line(line)
    #       send_data("#{line.upcase}\n")
    #     end
    #   end
    #
    # A connection whose peer sends a longer line than {#max_line_length} is closed, after `receive_error("overlength
    # line")` if that is defined. What is behind a callback that raised
    # is parsed in the reactor's next turn.
    # Works in any object; needs no reactor.
    module LineProtocol
      include LineParsing

      # Parses what has arrived.
      # @param data [String, nil]
      # @return [void]
      def receive_data(data)
        parsing_receive(data) { parsing_receive_lines }
      end

      # A line has arrived.
      # @param line [String] binary, without LF or CR LF, the callback's own
      def receive_line(line)
      end

      # Forgets an unfinished line, for objects that get another connection.
      def unbind(_reason = nil)
        parsing_reset
      end
    end
  end
end
