# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

module EventMachine
  module Protocols
    # Checks the callers' arguments before they become part of a line on the wire. A line end in them could start a line
    # of an attacker's choice: a header, a command, a recipient.
    module WireText
      LINE_BREAKING = /[\r\n\0]/n.freeze
      private_constant :LINE_BREAKING

      # @param value [#to_s]
      # @param what [String] names the value in the error
      # @return [String] its bytes, binary
      # @raise [ArgumentError] if it contains CR, LF or NUL
      def self.line(value, what)
        text = value.to_s.b
        raise ArgumentError, "#{what} must not contain CR, LF or NUL" if text.match?(LINE_BREAKING)

        text
      end
    end
  end
end
