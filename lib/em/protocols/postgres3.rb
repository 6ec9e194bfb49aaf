# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "eventmachine"
require "em/protocols/limits"

module EventMachine
  module Protocols
    # A client of PostgreSQL (frontend/backend protocol 3.0, simple queries, without TLS).
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
    # One operation runs at a time. Its outcome is a boolean: deferrables of this class fail, without arguments, only
    # after {#operation_timeout}; the connection is closed then, so that no answer is taken for another query's.
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
      require "em/protocols/postgres/cancel_request"
      require "em/protocols/postgres/messages"

      include Messages

      BUSY = "Operation already in progress"
      LOST = "lost connection"

      # @!attribute max_message_bytes
      #   @return [Numeric] the longest message taken from a server that has accepted the user
      limit :max_message_bytes, 256 << 20
      # @!attribute max_result_bytes
      #   @return [Numeric] the memory that the result of one query may take, about
      limit :max_result_bytes, 1 << 30
      # @!attribute max_parameters
      #   @return [Numeric] how many parameters the server may report
      limit :max_parameters, 1000
      # @!attribute max_scram_iterations
      #   @return [Numeric] the work that a server may ask for at log-in; the reactor waits meanwhile
      limit :max_scram_iterations, 100_000
      # @!attribute operation_timeout
      #   @return [Numeric] seconds that connecting or a query may take
      limit :operation_timeout, 15

      # How the server may have the user authenticate; others are refused, whatever it asks for.
      # @return [Array<Symbol>] of `:none`, `:password` (clear text), `:crypt`, `:md5`, `:scram_sha_256`; all at first
      def require_auth
        @require_auth || Authentication::METHODS
      end

      # @param methods [Array<Symbol>]
      # @raise [ArgumentError] for another name
      def require_auth=(methods)
        unknown = [*methods] - Authentication::METHODS
        raise ArgumentError, "unknown authentication #{unknown.inspect}" if unknown.any?
        raise ArgumentError, "no authentication is allowed" if [*methods].empty?

        @require_auth = [*methods]
      end

      # Called with each {NoticeResponse}; with an {ErrorResponse} if the server gives up an idle connection.
      # @return [#call, nil]
      attr_accessor :notice_processor

      # Called with each {Notification}.
      # @return [#call, nil]
      attr_accessor :notification_processor

      # @return [Integer, nil] the process id of the server's process for this connection
      attr_reader :backend_pid

      # @return [Symbol, nil] `:idle`, `:open` (within a transaction) or `:failed` (in one that has to be rolled back)
      #   after the last query
      attr_reader :transaction_status

      # @return [Hash{String => String}] the server's parameters, "server_version" for example
      def params
        @params ||= {}
      end

      # Logs in. May be called before the connection is established.
      #
      # @param db [String, nil] nil: the database of the user's name
      # @param user [String]
      # @param password [String, nil] not kept after log-in; SCRAM takes it as UTF-8
      # @return [DefaultDeferrable] succeeds with true, or with false and a String that says why not
      # @raise [ArgumentError] for NUL in an argument, or without user
      def connect(db, user, password = nil)
        raise ArgumentError, "no user specified" if user.to_s.empty?

        startup = Requests.startup(user.to_s, db)
        password &&= Requests.text(password, "password")
        return refused if state != :new

        @authentication = Authentication.new(user.to_s, password, allowed: require_auth, max_iterations: max_scram_iterations)
        @reader = MessageReader.new(max_message_bytes)
        @params = @backend_pid = @transaction_status = nil
        begin_operation(:connecting, startup)
      end

      # Sends a query of one or several statements.
      #
      # @param sql [String] sent as the bytes it consists of; the server takes them for UTF-8 unless client_encoding was
      #   set
      # @return [DefaultDeferrable] succeeds with true, a {Result} and an Array of {ErrorResponse}, which is empty if
      #   all went well; or with false, a String that says why, and the errors that had come
      # @raise [ArgumentError] for NUL in it
      def query(sql)
        request = Requests.query(sql)
        return refused([]) if state != :ready

        @result = Result.new(max_result_bytes)
        @errors = []
        begin_operation(:querying, request)
      end

      # Asks the server, on a connection of its own, to cancel the query that runs. The query then fails with error
      # 57014, unless it has finished already. In that case the next query may be cancelled instead: wait for this
      # outcome before sending it.
      #
      # @return [DefaultDeferrable] succeeds when the server has got the request; fails with a String that says why not
      def cancel
        address = get_peername if @cancel_key && @state != :closed
        return DefaultDeferrable.new.tap { |outcome| outcome.fail(LOST) } unless address

        CancelRequest.send_to(address, Requests.cancel(@backend_pid, @cancel_key), operation_timeout)
      end

      # Sends Terminate and closes the connection. An operation that is in progress ends with "lost connection".
      # @return [void]
      def disconnect
        send_data(Requests.terminate) if @state == :ready || @state == :querying
        close_connection_after_writing
      end

      # Called, for subclasses, when the connection is closed because of what the server did while no operation was in
      # progress.
      # @param reason [String]
      def receive_error(reason)
      end

      # @!visibility private
      def receive_data(data)
        return if state == :closed

        reader = @reader ||= MessageReader.new(max_message_bytes)
        # Once the connection is given up there is another one or none, and what is left here is ignored.
        @reading = true
        reader.feed(data) { |type, payload| message_received(type, payload) if reader.equal?(@reader) }
        finished = true
      rescue ProtocolError => e
        finished = true
        give_up(e.message)
      ensure
        @reading = @asked_meanwhile = false
        # A block has raised: the messages behind its own follow in the next turn.
        EventMachine.next_tick { receive_data("") } unless finished || state == :closed
      end

      # Subclasses that define it call super first.
      def unbind(_reason = nil)
        close_operation(LOST)
      end

      private

      # After EventMachine.reconnect all begins anew.
      def state
        @state = nil if @state == :closed && @closed_signature != @signature
        @state ||= :new
      end

      def begin_operation(state, request)
        @state = state
        @asked_meanwhile = @reading
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

      # It took too long.
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

      # @param more [Array] what outcomes of this operation have beside the reason
      def refused(*more)
        reason = { new: "not connected", ready: "already connected", closed: LOST }.fetch(@state, BUSY)
        DefaultDeferrable.new.tap { |outcome| outcome.succeed(false, reason, *more) }
      end
    end
  end
end
