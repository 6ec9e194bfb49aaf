# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

module EventMachine
  module Protocols
    module Postgres
      # A peer that does not keep to the protocol.
      class ProtocolError < StandardError; end

      # Cuts what arrives into the messages of PostgreSQL's protocol 3.0: a byte that names the type, a length of four bytes
      # that counts itself, and the payload.
      # @private
      class MessageReader
        HEADER_BYTES = 5
        private_constant :HEADER_BYTES

        def initialize
          @buffer = String.new
        end

        # @param data [String] what has arrived
        # @param limit [Integer] the longest payload, in bytes
        # @yieldparam type [String] one character
        # @yieldparam payload [Payload]
        # @raise [ProtocolError] for a length that is impossible or above the limit
        def add(data, limit)
          @buffer << data
          start = 0
          while (length = payload_length(start, limit)) && @buffer.bytesize >= start + HEADER_BYTES + length
            type = @buffer[start]
            payload = @buffer.byteslice(start + HEADER_BYTES, length)
            start += HEADER_BYTES + length
            yield type, Payload.new(payload)
          end
        ensure
          @buffer.slice!(0, start)
        end

        private

        # @return [Integer, nil] nil as long as the header is not complete
        def payload_length(start, limit)
          return if @buffer.bytesize < start + HEADER_BYTES

          length = (@buffer.getbyte(start + 1) << 24 | @buffer.getbyte(start + 2) << 16 |
                    @buffer.getbyte(start + 3) << 8 | @buffer.getbyte(start + 4)) - 4
          raise ProtocolError, "malformed message" if length.negative?
          raise ProtocolError, "message too long" if length > limit

          length
        end
      end

      # Reads the parts of one message, and never beyond it.
      # @private
      class Payload
        def initialize(bytes)
          @bytes = bytes
          @position = 0
        end

        # Whether everything has been read.
        def end?
          @position >= @bytes.bytesize
        end

        # @return [Integer] of four bytes, with sign
        def int32
          start = advance(4)
          number = @bytes.getbyte(start) << 24 | @bytes.getbyte(start + 1) << 16 |
                   @bytes.getbyte(start + 2) << 8 | @bytes.getbyte(start + 3)
          number > 0x7fffffff ? number - 0x100000000 : number
        end

        # @return [Integer] of two bytes, with sign
        def int16
          number = count
          number > 0x7fff ? number - 0x10000 : number
        end

        # @return [Integer] of two bytes, not negative
        def count
          start = advance(2)
          @bytes.getbyte(start) << 8 | @bytes.getbyte(start + 1)
        end

        # @return [String] as many bytes
        def bytes(count)
          @bytes.byteslice(advance(count), count)
        end

        # @return [String] all that is left
        def rest
          bytes(@bytes.bytesize - @position)
        end

        # @return [String] up to a zero byte, without it
        def text
          ending = @bytes.index("\0", @position) or malformed
          bytes(ending - @position).tap { @position += 1 }
        end

        private

        # @return [Integer] where the next so many bytes begin
        def advance(count)
          start = @position
          malformed if count.negative? || start + count > @bytes.bytesize
          @position = start + count
          start
        end

        def malformed
          raise ProtocolError, "malformed message"
        end
      end

      # Builds the messages that clients send.
      # @private
      module Outgoing
        PROTOCOL_VERSION = 196_608 # 3.0
        CANCEL_REQUEST = 80_877_102

        class << self
          # @return [String]
          def startup(user, database)
            pairs = ["user", text(user, "the user"), "database", text(database, "the database")]
            framed("", [PROTOCOL_VERSION].pack("N") << pairs.join("\0") << "\0\0")
          end

          # @return [String]
          def query(sql)
            framed("Q", text(sql, "the query") << "\0")
          end

          # @return [String]
          def password(password)
            framed("p", text(password, "the password") << "\0")
          end

          # @return [String]
          def sasl_initial(mechanism, data)
            framed("p", "#{mechanism}\0#{[data.bytesize].pack('N')}#{data}".b)
          end

          # @return [String]
          def sasl(data)
            framed("p", data)
          end

          # @return [String]
          def copy_fail(reason)
            framed("f", "#{reason}\0")
          end

          # @return [String]
          def cancel(pid, secret)
            framed("", [CANCEL_REQUEST, pid, secret].pack("Nl>l>"))
          end

          private

          def framed(type, payload)
            type.b << [payload.bytesize + 4].pack("N") << payload
          end

          def text(value, what)
            bytes = value.to_s.b
            raise ArgumentError, "#{what} must not contain NUL" if bytes.include?("\0")

            bytes
          end
        end
      end
    end
  end
end
