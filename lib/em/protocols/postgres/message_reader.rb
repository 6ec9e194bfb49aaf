# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

module EventMachine
  module Protocols
    class Postgres3 < Connection
      # Cuts the server's stream into messages: a type byte, a length that counts itself but not the type, the payload.
      class MessageReader
        HEADER_BYTES = 5
        # Types whose messages may be long: rows, their description, copied data, errors, notices and notifications.
        LONG_TYPES = "DTdENA"
        # What others may have, and all before the server has accepted the user.
        SHORT_BYTES = 30_000

        # @param max_bytes [Numeric] the longest message that is taken
        def initialize(max_bytes)
          @max_bytes = max_bytes
          @trusting = false
          @buffer = "".b
          @wanted = HEADER_BYTES
        end

        # The user is logged in: long messages are taken from now on.
        def trust
          @trusting = true
        end

        # @param data [String] what arrived, cut anywhere
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
          # What was handed out is gone, whatever the block raised.
          @buffer = @buffer.byteslice(start..) if start&.positive?
        end

        private

        # @return [Integer, nil] of the whole message; nil if it is not complete: @wanted says then how much has to be
        #   there
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
