# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

module EventMachine
  module Protocols
    class Postgres3 < Connection
      # The handlers of the server's messages, by the state of the connection:
      #
      #     :new --connect--> [:negotiating -->] :connecting --Z--> :ready --query--> :querying --Z--> :ready
      #
      # From every state, a protocol error, a timeout or the end of the connection leads to :closed.
      module Messages
        # Accepted at any time.
        ASYNCHRONOUS = { "N" => :notice_received, "S" => :parameter_received, "A" => :notification_received }.freeze
        HANDLERS = {
          connecting: { "R" => :authentication_received, "K" => :key_received, "E" => :connect_error_received, "Z" => :login_completed },
          ready: { "E" => :idle_error_received },
          querying: {
            "T" => :columns_received, "D" => :row_received, "C" => :statement_completed, "E" => :query_error_received,
            "G" => :copy_in_refused, "H" => :copy_out_refused, "Z" => :query_completed
          }
        }.freeze
        TRANSACTION_STATUS = { "I" => :idle, "T" => :open, "E" => :failed }.freeze
        FEATURE_NOT_SUPPORTED = "0A000"

        private

        def message_received(type, payload)
          handler = ASYNCHRONOUS[type] || HANDLERS.dig(@state, type)
          # A response cannot arrive before its request was sent. An error may: the server may be closing the
          # connection.
          premature = @sent_while_reading && type != "E" && !ASYNCHRONOUS.key?(type)
          raise ProtocolError, "Unexpected message from database" if premature
          return send(handler, payload) if handler

          raise ProtocolError, "unhandled message type #{type.inspect}" if @state == :connecting
          raise ProtocolError, "Unexpected message from database" if @state != :querying
        end

        def notice_received(payload)
          notice = NoticeResponse.parse(payload)
          @notice_processor&.call(notice)
        end

        def notification_received(payload)
          notification = Notification.parse(payload)
          @notification_processor&.call(notification)
        end

        def parameter_received(payload)
          reader = Payload.new(payload)
          name, value = reader.string, reader.string
          reader.finish
          raise ProtocolError, "more than #{max_parameters} parameters" if params.size >= max_parameters && !params.key?(name)

          params[name] = value
        end

        def authentication_received(payload)
          reply = @authentication.reply_to(payload)
          @reader.trust if @authentication.complete?
          send_data(reply) if reply
        end

        def key_received(payload)
          reader = Payload.new(payload)
          @backend_pid = reader.int32
          @cancel_key = reader.take(4)
          reader.finish
        end

        def connect_error_received(payload)
          raise ProtocolError, ErrorResponse.parse(payload).to_s
        end

        def login_completed(payload)
          raise ProtocolError, "the server was ready before it had authenticated the user" unless @authentication.complete?

          @authentication = nil
          become_ready(payload)
          finish_operation(true)
        end

        # The server is about to close the connection, because of a shutdown or a timeout.
        def idle_error_received(payload)
          error = ErrorResponse.parse(payload)
          @notice_processor&.call(error)
          raise ProtocolError, error.to_s
        end

        def columns_received(payload)
          @result.describe(payload)
        end

        def row_received(payload)
          @result.add_row(payload)
        end

        def statement_completed(payload)
          @result.complete(payload)
        end

        def query_error_received(payload)
          @copy_refused = false
          @result.charge(payload, 1)
          @errors << ErrorResponse.parse(payload)
        end

        # The server replies to this with an error.
        def copy_in_refused(_payload)
          raise ProtocolError, "Unexpected message from database" if @copy_refused

          @copy_refused = true
          send_data(Requests.copy_fail("COPY FROM STDIN is not supported"))
        end

        # The data is ignored, as are all messages of unknown types.
        def copy_out_refused(_payload)
          @errors << ErrorResponse.new("S" => "ERROR", "C" => FEATURE_NOT_SUPPORTED, "M" => "COPY TO STDOUT is not supported")
        end

        def query_completed(payload)
          result, errors, @result, @errors = @result, @errors
          become_ready(payload)
          finish_operation(true, result.finish, errors)
        end

        def become_ready(payload)
          @copy_refused = false
          @transaction_status = TRANSACTION_STATUS[payload] or raise ProtocolError, "unknown transaction status"
          @state = :ready
        end
      end
    end
  end
end
