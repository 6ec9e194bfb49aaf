# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

module EventMachine
  module Protocols
    class Postgres3 < Connection
      # Writes the messages to the server.
      module Requests
        PROTOCOL_3_0 = 196_608
        CANCEL_REQUEST = 80_877_102
        SSL_REQUEST = 80_877_103
        # The largest value of a length field, less the field itself.
        MAX_PAYLOAD_BYTES = (1 << 31) - 5

        class << self
          # @param user [String]
          # @param database [String, nil]
          # @return [String]
          # @raise [ArgumentError] for text that the protocol cannot carry, as in all methods here
          def startup(user, database)
            pairs = ["user", text(user, "user")]
            pairs.push("database", text(database, "database")) if database
            with_length([PROTOCOL_3_0].pack("N") << pairs.join("\0") << "\0\0")
          end

          # Asks for TLS.
          def ssl_request
            with_length([SSL_REQUEST].pack("N"))
          end

          # @param sql [String]
          def query(sql)
            message("Q", text(sql, "query") << "\0")
          end

          # @param text [String] the password or a hash of it
          def password(text)
            message("p", text(text, "password") << "\0")
          end

          # @param mechanism [String]
          # @param data [String] the client's first message
          def sasl_initial(mechanism, data)
            message("p", "#{mechanism}\0#{[data.bytesize].pack('N')}#{data}".b)
          end

          # @param data [String]
          def sasl(data)
            message("p", data.b)
          end

          # @param reason [String]
          def copy_fail(reason)
            message("f", "#{reason}\0".b)
          end

          # @private
          def terminate
            message("X", "".b)
          end

          # @param pid [Integer]
          # @param key [String] four bytes
          def cancel(pid, key)
            with_length([CANCEL_REQUEST, pid].pack("Nl>") << key)
          end

          # @param value [#to_s]
          # @param what [String] names the value in the error
          # @return [String] its bytes, a copy
          def text(value, what)
            bytes = value.to_s.b
            raise ArgumentError, "#{what} must not contain NUL" if bytes.include?("\0")
            raise ArgumentError, "#{what} is too long" if bytes.bytesize > MAX_PAYLOAD_BYTES - 1

            bytes
          end

          private

          def message(type, payload)
            type.b << with_length(payload)
          end

          def with_length(payload)
            [payload.bytesize + 4].pack("N") << payload
          end
        end
      end
    end
  end
end
