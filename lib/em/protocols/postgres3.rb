# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "eventmachine"
require "em/protocols/limits"

module EventMachine
  module Protocols
    # A PostgreSQL client (frontend/backend protocol 3.0, simple queries), with TLS if {#sslmode} says so.
    #
    #   db = EventMachine.connect("127.0.0.1", 5432, EventMachine::P::Postgres3)
    #   db.connect("shop", "anna", "secret").callback do |connected, reason|
    #     next puts(reason) unless connected
    #
    #     db.query("select 1 + 1 as sum").callback do |sent, result, errors|
    #       p result.rows if sent && errors.empty? # [["2"]]
    #     end
    #   end
    #
    # One operation runs at a time. Deferrables succeed with a boolean as the first argument. They fail, without
    # arguments, only after {#operation_timeout}. The connection is then closed, so that no response is taken for that
    # of another query.
    class Postgres3 < Connection
      extend Limits

      require "em/protocols/postgres/errors"
      require "em/protocols/postgres/payload"
      require "em/protocols/postgres/message_reader"
      require "em/protocols/postgres/requests"
      require "em/protocols/postgres/field"
      require "em/protocols/postgres/response"
      require "em/protocols/postgres/notification"
      require "em/protocols/postgres/result"
      require "em/protocols/postgres/saslprep"
      require "em/protocols/postgres/scram"
      require "em/protocols/postgres/authentication"
      require "em/protocols/postgres/encryption"
      require "em/protocols/postgres/cancel_request"
      require "em/protocols/postgres/messages"

      include Encryption
      include Messages

      BUSY = "Operation already in progress"
      LOST = "lost connection"

      # @!attribute max_message_bytes
      #   @return [Numeric] the longest message, in bytes, from a server that has accepted the user
      limit :max_message_bytes, 256 << 20
      # @!attribute max_result_bytes
      #   @return [Numeric] the approximate memory that the result of one query may take, in bytes
      limit :max_result_bytes, 1 << 30
      # @!attribute max_parameters
      #   @return [Numeric] how many parameters the server may report
      limit :max_parameters, 1000
      # @!attribute max_scram_iterations
      #   @return [Numeric] the most iterations that a server may demand at login; the reactor is blocked while they run
      limit :max_scram_iterations, 100_000
      # @!attribute operation_timeout
      #   @return [Numeric] the most seconds that connecting or a query may take
      limit :operation_timeout, 15

      # The authentication methods that the server may demand. All others are refused.
      # @return [Array<Symbol>] of `:none`, `:password` (clear text), `:crypt`, `:md5`, `:scram_sha_256`; all by default
      def require_auth
        @require_auth || Authentication::METHODS
      end

      # @param methods [Array<Symbol>]
      # @raise [ArgumentError] for an unknown name, or for none
      def require_auth=(methods)
        unknown = [*methods] - Authentication::METHODS
        raise ArgumentError, "unknown authentication #{unknown.inspect}" if unknown.any?
        raise ArgumentError, "no authentication is allowed" if [*methods].empty?

        @require_auth = [*methods]
      end

      # Called with each {NoticeResponse}, and with an {ErrorResponse} if the server closes an idle connection.
      # @return [#call, nil]
      attr_accessor :notice_processor

      # Called with each {Notification}.
      # @return [#call, nil]
      attr_accessor :notification_processor

      # @return [Integer, nil] the id of the server process for this connection
      attr_reader :backend_pid

      # @return [Symbol, nil] after the last query: `:idle`, `:open` (within a transaction) or `:failed` (within one
      #   that must be rolled back)
      attr_reader :transaction_status

      # @return [Hash{String => String}] the server's parameters, for example "server_version"
      def params
        @params ||= {}
      end

      # Logs in. May be called before the connection is established.
      #
      # @param db [String, nil] nil: the database with the user's name
      # @param user [String]
      # @param password [String, nil] not kept after login; SCRAM treats it as UTF-8
      # @return [DefaultDeferrable] succeeds with true, or with false and a reason (String)
      # @raise [ArgumentError] for NUL in an argument, or without a user
      # @raise [Unsupported] if {#sslmode} asks for TLS and there is none
      def connect(db, user, password = nil)
        raise ArgumentError, "no user specified" if user.to_s.empty?

        startup = Requests.startup(user.to_s, db)
        password &&= Requests.text(password, "password")
        return refused if state != :new

        @authentication = Authentication.new(user.to_s, password, allowed: require_auth, max_iterations: max_scram_iterations)
        @reader = MessageReader.new(max_message_bytes)
        @params = @backend_pid = @transaction_status = nil
        begin_operation(first_state, first_message(startup))
      end

      # Sends a query of one or several statements.
      #
      # @param sql [String] its bytes are sent unchanged; the server treats them as UTF-8 unless client_encoding was set
      # @return [DefaultDeferrable] succeeds with true, a {Result} and an Array of {ErrorResponse}, which is empty if
      #   there was no error; or with false, a reason (String) and the errors that had arrived
      # @raise [ArgumentError] for NUL in the query
      def query(sql)
        request = Requests.query(sql)
        return refused([]) if state != :ready

        @result = Result.new(max_result_bytes)
        @errors = []
        begin_operation(:querying, request)
      end

      # Asks the server, on a separate connection, to cancel the current query. The query then fails with error 57014,
      # unless it has already finished. In that case the next query may be cancelled instead, so wait for this outcome
      # before sending one.
      #
      # @return [DefaultDeferrable] succeeds when the server has received the request; fails with a reason (String)
      def cancel
        address = get_peername if @cancel_key && @state != :closed
        return DefaultDeferrable.new.tap { |outcome| outcome.fail(LOST) } unless address

        CancelRequest.send_to(address, Requests.cancel(@backend_pid, @cancel_key), operation_timeout, @cancel_tls)
      end

      # Sends Terminate and closes the connection. An operation that is in progress ends with "lost connection".
      # @return [void]
      def disconnect
        send_data(Requests.terminate) if @state == :ready || @state == :querying
        close_connection_after_writing
      end

      # Called when the connection is closed because of something the server did while no operation was in progress.
      # Subclasses may override it.
      # @param reason [String]
      def receive_error(reason)
      end

      # @!visibility private
      def receive_data(data)
        return if state == :closed
        return receive_negotiation(data) if @state == :negotiating

        reader = @reader ||= MessageReader.new(max_message_bytes)
        # When the connection has been given up, there is another reader or none, and the remaining messages are
        # ignored.
        @reading = true
        reader.feed(data) { |type, payload| message_received(type, payload) if reader.equal?(@reader) }
        finished = true
      rescue ProtocolError => e
        finished = true
        give_up(e.message)
      ensure
        @reading = @sent_while_reading = false
        # If a block has raised, the messages that follow are handled in the next turn.
        EventMachine.next_tick { receive_data("") } unless finished || state == :closed
      end

      # Shows neither keys nor passwords.
      alias inspect to_s

      # Subclasses that override this method call `super` first.
      def unbind(reason = nil)
        close_operation(@encrypting || reason == Errno::EPROTO ? "TLS failed: #{get_reason_text}" : LOST)
      end

      private

      def receive_negotiation(data)
        negotiate(data)
      rescue ProtocolError => e
        give_up(e.message)
      end

      # After EventMachine.reconnect, the state starts again from :new.
      def state
        @state = nil if @state == :closed && @closed_signature != @signature
        @state ||= :new
      end

      def begin_operation(state, request)
        @state = state
        @sent_while_reading = @reading
        operation = @operation = DefaultDeferrable.new
        operation.errback { abandon(operation) }
        operation.timeout(operation_timeout) unless operation_timeout == Float::INFINITY
        send_data(request)
        operation
      end

      def finish_operation(*outcome)
        operation = @operation
        @operation = nil
        operation&.succeed(*outcome)
      end

      # The operation has timed out.
      def abandon(operation)
        return unless operation.equal?(@operation)

        @operation = nil
        give_up(nil)
      end

      def give_up(reason)
        idle = @operation.nil?
        close_connection
        close_operation(reason)
        receive_error(reason) if idle && reason
      end

      def close_operation(reason)
        errors = @errors
        @closed_signature = @signature
        @state = :closed
        @reader = @authentication = @result = @errors = @cancel_key = nil
        errors ? finish_operation(false, reason, errors) : finish_operation(false, reason)
      end

      # @param more [Array] further arguments of this operation's outcome
      def refused(*more)
        reason = { new: "not connected", ready: "already connected", closed: LOST }.fetch(@state, BUSY)
        DefaultDeferrable.new.tap { |outcome| outcome.succeed(false, reason, *more) }
      end
    end
  end
end
