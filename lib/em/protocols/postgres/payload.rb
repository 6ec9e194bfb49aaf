# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

module EventMachine
  module Protocols
    class Postgres3 < Connection
      # Reads the fields of one message, but never beyond its end.
      class Payload
        # @param bytes [String] binary
        def initialize(bytes)
          @bytes = bytes
          @position = 0
        end

        # @return [Integer] of one byte
        def byte
          take(1).getbyte(0)
        end

        # @return [Integer] of two bytes, signed
        def int16
          take(2).unpack1("s>")
        end

        # @return [Integer] of four bytes, signed
        def int32
          take(4).unpack1("l>")
        end

        # @return [Integer] the number of fields that follow: two bytes, not negative
        def count
          number = int16
          number.negative? ? raise(ProtocolError, "negative count in a message") : number
        end

        # @return [String] up to the next NUL, which is skipped
        def string
          finish = @bytes.index("\0", @position) or raise ProtocolError, "unterminated text in a message"
          text = @bytes.byteslice(@position, finish - @position)
          @position = finish + 1
          text
        end

        # @return [String] the remaining bytes
        def rest
          take(@bytes.bytesize - @position)
        end

        # @return [String]
        # @raise [ProtocolError] if fewer bytes are left
        def take(length)
          raise ProtocolError, "message ends too early" if length.negative? || @position + length > @bytes.bytesize

          @position += length
          @bytes.byteslice(@position - length, length)
        end

        # @raise [ProtocolError] unless all bytes have been read
        def finish
          raise ProtocolError, "message is longer than its content" if @position < @bytes.bytesize
        end
      end
    end
  end
end
