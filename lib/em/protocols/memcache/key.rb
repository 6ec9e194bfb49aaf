# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

module EventMachine
  module Protocols
    module Memcache
      # Prepares the callers' arguments for a command line.
      module Key
        MAX_BYTES = 250
        BLANK = /[ \t\v\f]/n.freeze
        UNSUITABLE = /[\x00-\x20\x7f]/n.freeze
        # The server reads a time into 32 bits.
        TIMES = (-(1 << 31)...(1 << 31)).freeze

        # @param key [#to_s]
        # @return [String] its bytes, binary
        # @raise [ArgumentError] if servers would not accept it
        def self.wire(key)
          wire = key.to_s.b
          replace_blanks(wire) if wire.match?(UNSUITABLE)
          return wire if wire.bytesize.between?(1, MAX_BYTES)

          raise ArgumentError, "a key must have 1 to #{MAX_BYTES} bytes, not #{wire.bytesize}"
        end

        def self.replace_blanks(wire)
          wire.gsub!(BLANK, "_")
          raise ArgumentError, "a key must not contain control characters" if wire.match?(UNSUITABLE)
        end
        private_class_method :replace_blanks

        # @param value [#to_int, #to_i]
        # @return [Integer]
        # @raise [ArgumentError] if it is not an integer that fits into 32 bits
        def self.time(value)
          seconds = Integer(value, exception: false)
          return seconds if seconds && TIMES.cover?(seconds)

          raise ArgumentError, "a time must be a 32-bit number of seconds, not #{value.inspect}"
        end
      end
      private_constant :Key
    end
  end
end
