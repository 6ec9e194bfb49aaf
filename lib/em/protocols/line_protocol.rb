# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "em/protocols/line_parsing"

module EventMachine
  module Protocols
    # Lines that end in LF or CR LF, and nothing else. {LineText2} can do more at the same cost.
    #
    #   class Shouter < EM::Connection
    #     include EM::P::LineProtocol
    #
    #     def receive_line(line)
    #       send_data("#{line.upcase}\n")
    #     end
    #   end
    #
    # If the peer sends a line longer than {#max_line_length}, `receive_error("overlength line")` is called, if it is
    # defined, and the connection is closed. After a callback that raised, the data that follows is parsed in the
    # reactor's next turn. The module works in any object and needs no reactor.
    module LineProtocol
      include LineParsing

      # Parses data that has arrived.
      # @param data [String, nil]
      # @return [void]
      def receive_data(data)
        parsing_receive(data) { parsing_receive_lines }
      end

      # A line has arrived.
      # @param line [String] binary, without LF or CR LF; belongs to the callback
      def receive_line(line)
      end

      # Drops an unfinished line, for objects that reconnect.
      def unbind(_reason = nil)
        parsing_reset
      end
    end
  end
end
