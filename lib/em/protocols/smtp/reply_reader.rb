# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

module EventMachine
  module Protocols
    module Smtp
      # Reads the replies of a server (RFC 5321, section 4.2.1), which may have several lines: `250-one`, `250 two`.
      class ReplyReader
        CODE = /\A\d{3}/n.freeze
        HYPHEN = "-".ord
        private_constant :CODE, :HYPHEN

        # @return [Integer, nil] the code of the last line; 0 if that line has none; nil before the first line
        attr_reader :code

        # @return [Array<String>, nil] the texts of the current reply; empty between two replies; nil before the first
        #   one
        attr_reader :texts

        # @param line [String] without its end
        # @return [Boolean] whether the reply is complete
        def read(line)
          @code = line[CODE].to_i
          (@texts ||= []) << (line.byteslice(4..) || "")
          line.getbyte(3) != HYPHEN
        end

        # Starts a new reply with the next line.
        def start_next
          @texts = []
        end
      end
    end
  end
end
