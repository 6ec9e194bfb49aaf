# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

module EventMachine
  module Protocols
    class Postgres3 < Connection
      # Splits the server's stream into messages: a type byte, a length that includes itself but not the type, and the
      # payload.
      class MessageReader
        HEADER_BYTES = 5
        # Types whose messages may be long: rows, their description, copied data, errors, notices and notifications.
        LONG_TYPES = "DTdENA"
        # The limit for other types, and for all types before the server has accepted the user.
        SHORT_BYTES = 30_000

        # @param max_bytes [Numeric] the longest message that is accepted
        def initialize(max_bytes)
          @max_bytes = max_bytes
          @trusting = false
          @buffer = "".b
          @wanted = HEADER_BYTES
        end

        # To be called when the user is logged in: long messages are accepted from now on.
        def trust
          @trusting = true
        end

        # @param data [String] received bytes, which may be split anywhere
        # @yieldparam type [String] one byte
        # @yieldparam payload [String] binary
        # @raise [ProtocolError] for a length that is impossible or beyond the limit, as soon as it is known
        def feed(data)
          @buffer << data
          return if @buffer.bytesize < @wanted

          start = 0
          while (length = message_length(start))
            type = @buffer.byteslice(start, 1)
            payload = @buffer.byteslice(start + HEADER_BYTES, length - HEADER_BYTES)
            start += length
            yield type, payload
          end
        ensure
          # Messages that were yielded are consumed, even if the block raised.
          @buffer = @buffer.byteslice(start..) if start&.positive?
        end

        private

        # @return [Integer, nil] the length of the whole message; nil if it is not complete, and @wanted is how much is
        #   needed
        def message_length(start)
          @wanted = HEADER_BYTES
          available = @buffer.bytesize - start
          return if available < HEADER_BYTES

          length = 1 + checked(@buffer.byteslice(start + 1, 4).unpack1("N"), @buffer.byteslice(start, 1))
          return length if available >= length

          @wanted = length
          nil
        end

        def checked(length, type)
          raise ProtocolError, "message of impossible length #{length}" if length < 4
          raise ProtocolError, "message of #{length} bytes is too long" if length > limit_for(type)

          length
        end

        def limit_for(type)
          long = @trusting && LONG_TYPES.include?(type)
          long ? @max_bytes : [SHORT_BYTES, @max_bytes].min
        end
      end
    end
  end
end
