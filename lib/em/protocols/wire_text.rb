# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

module EventMachine
  module Protocols
    # What callers give is checked here before it becomes part of a line on the wire, where a line end would begin
    # a line of the attacker's own: a header, a command, a recipient.
    module WireText
      LINE_BREAKING = /[\r\n\0]/n.freeze
      private_constant :LINE_BREAKING

      # @param value [#to_s]
      # @param what [String] how the error calls it
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
