# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "em/deferrable"
require "em/protocols/limits"
require "em/protocols/postgres/messages"
require "em/protocols/postgres/result"
require "em/protocols/postgres/authentication"

module EventMachine
  module Protocols
    # A client of PostgreSQL, by its protocol 3.0 and simple queries; for {EventMachine.connect} or
    # {EventMachine.connect_unix_domain}.
    #
    #   db = EM.connect("127.0.0.1", 5432, EM::P::Postgres3)
    #   db.connect("mydb", "ann", "secret").callback do |ok, reason|
    #     db.query("select 1").callback { |done, result, errors| … } if ok
    #   end
    #
    # One operation at a time. Its deferrable *succeeds*, with true or false as the first argument, except for a timeout: then it
    # fails, and the connection is closed, since the answer might still come.
    #
    # A class that defines `unbind`, `receive_data` or `connection_completed` must call `super`.
    class Postgres3 < Connection
      extend Limits

      # How long an operation may take, in seconds.
      TIMEOUT = 15

      # @!attribute max_message_size
      #   @return [Integer] the longest message that is read, in bytes; 256 MiB unless set. A row is one message
      limit :max_message_size, 256 << 20

      # @!attribute operation_timeout
      #   @return [Numeric] how long an operation may take, in seconds; {TIMEOUT} unless set
      limit :operation_timeout, TIMEOUT

      # @return [#call, nil] called with each notice, an {Postgres::ErrorResponse}
      attr_accessor :notice_processor

      # @return [#call, nil] called with each notification: channel (String), payload (String), the sender's process id
      #   (Integer). They come at any time once `LISTEN` was queried
      attr_accessor :notification_processor

      # Logs in.
      # @param db [String] the database
      # @param user [String]
      # @param password [String, nil] needed unless the server trusts
      # @return [DefaultDeferrable] succeeds with true, or with false and a reason (String)
      # @raise [ArgumentError] if one of them contains NUL
      def connect(db, user, password = nil)
        startup = Postgres::Outgoing.startup(user, db)
        begin_operation(:connecting) do
          @authentication = Postgres::Authentication.new(user.to_s, password)
          send_data(startup)
        end
      end

      # Sends SQL, one statement or several.
      # @param sql [String]
      # @return [DefaultDeferrable] succeeds with true, a {Postgres::Result}, and an Array of {Postgres::ErrorResponse}, which is
      #   where errors of SQL are found; or with false and a reason (String)
      # @raise [ArgumentError] if it contains NUL
      def query(sql)
        message = Postgres::Outgoing.query(sql)
        begin_operation(:querying) do
          @result = Postgres::Result.empty
          @errors = []
          send_data(message)
        end
      end

      # Asks the server, over a connection of its own, to cancel the query under way. That one ends with an error, unless it is
      # faster.
      # @return [Boolean] whether the server has said how to ask it
      def cancel
        return false unless @backend_key

        address = Addrinfo.new(get_peername)
        target = address.unix? ? [address.unix_path] : [address.ip_address, address.ip_port]
        EventMachine.connect(*target, Canceller, Postgres::Outgoing.cancel(*@backend_key))
        true
      end

      # Sends a request to cancel, and leaves.
      # @private
      class Canceller < Connection
        def initialize(request)
          super
          @request = request
        end

        # @private
        def connection_completed
          send_data(@request)
          close_connection_after_writing
        end
      end

      # @private
      def connection_completed
        @ended = false
        @reader = nil
      end

      # @private
      def receive_data(data)
        return if @ended

        @reader ||= Postgres::MessageReader.new
        @reader.add(data, max_message_size) do |type, payload|
          break if @ended

          dispatch(type, payload)
        end
      rescue Postgres::ProtocolError => e
        give_up(e.message)
      end

      # @private
      def unbind(_reason = nil)
        @ended = true
        finish(false, "lost connection")
      end

      private

      def begin_operation(phase)
        deferrable = DefaultDeferrable.new
        return deferrable.tap { |it| it.succeed(false, "Operation already in progress") } if @operation
        return deferrable.tap { |it| it.succeed(false, "lost connection") } if @ended

        yield
        @operation = deferrable
        @phase = phase
        deferrable.errback { abandon(deferrable) }
        deferrable.timeout(operation_timeout)
      end

      # The answer may still come, and would be taken for the next operation's.
      def abandon(deferrable)
        return unless deferrable.equal?(@operation)

        @operation = @phase = nil
        leave
      end

      def finish(*outcome)
        operation = @operation
        @operation = @phase = nil
        operation&.succeed(*outcome)
      end

      def give_up(reason)
        leave
        finish(false, reason)
      end

      def leave
        @ended = true
        close_connection
      end

      # These come at any time; all others belong to an operation.
      def dispatch(type, payload)
        case type
        when "N" then (notice = Postgres::ErrorResponse.new(payload)) && @notice_processor&.call(notice)
        when "S" then (@params ||= {})[payload.text] = payload.text
        when "A" then receive_notification(payload)
        when "K" then @backend_key = [payload.int32, payload.int32]
        else dispatch_by_phase(type, payload)
        end
      end

      def dispatch_by_phase(type, payload)
        case @phase
        when :connecting then receive_while_connecting(type, payload)
        when :querying then receive_while_querying(type, payload)
        else give_up("Unexpected message from database") unless type == "E" # the server's farewell
        end
      end

      def receive_notification(payload)
        pid = payload.int32
        channel = payload.text
        @notification_processor&.call(channel, payload.text, pid)
      end

      def receive_while_connecting(type, payload)
        case type
        when "R" then authenticate(payload)
        when "E" then give_up(Postgres::ErrorResponse.new(payload).to_s)
        when "Z" then @authentication.complete? ? finish(true) : give_up("the server skipped the authentication")
        else give_up("unhandled message type")
        end
      end

      def authenticate(payload)
        reply = @authentication.reply_to(payload)
        send_data(reply) if reply
      rescue Postgres::Authentication::Failure => e
        give_up(e.message)
      end

      def receive_while_querying(type, payload)
        case type
        when "T" then @result.describe(payload)
        when "D" then @result.add_row(payload)
        when "C" then @result.cmd_tag = payload.text
        when "E" then @errors << Postgres::ErrorResponse.new(payload)
        when "G", "W" then send_data(Postgres::Outgoing.copy_fail("COPY is not supported"))
        when "Z" then finish(true, @result, @errors)
        end
      end
    end
  end
end
