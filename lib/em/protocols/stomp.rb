# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "em/protocols/limits"
require "em/protocols/linetext2"
require "em/protocols/wire_text"
require "em/protocols/stomp/message"

module EventMachine
  module Protocols
    # A client of message brokers that speak STOMP 1.0.
    #
    #   module Listener
    #     include EM::P::Stomp
    #
    #     def connection_completed
    #       connect(login: "guest", passcode: "guest")
    #     end
    #
    #     def receive_msg(message)
    #       case message.command
    #       when "CONNECTED" then subscribe("/queue/news")
    #       when "MESSAGE" then puts message.body
    #       when "ERROR" then warn message.header["message"]
    #       end
    #     end
    #   end
    #
    # Commands return at once. The server's reply to a command, if any, arrives as a message; so does an ERROR. Text is
    # sent as its bytes. What STOMP 1.0 cannot express, such as line ends in headers or colons in their names, is
    # refused.
    #
    # If the server violates the protocol or exceeds a limit, {#receive_error} is called and the connection is closed.
    module Stomp
      include LineText2
      extend Limits

      # @!attribute max_header_lines
      #   @return [Integer] the most header lines in a frame from the server
      limit :max_header_lines, 100

      # @!attribute max_header_line_bytes
      #   @return [Integer] the most bytes in its command and in each header line
      limit :max_header_line_bytes, 64 << 10

      # @!attribute max_body_bytes
      #   @return [Integer] the most bytes in its body; with a content-length, LineText2::MaxBinaryLength is also a
      #     limit
      limit :max_body_bytes, LineText2::MaxBinaryLength

      # @!group Callbacks

      # A frame has arrived.
      # @param message [Message]
      def receive_msg(message)
      end

      # The server has violated the protocol or exceeded a limit. The connection is closed afterwards.
      # @param text [String]
      def receive_error(text)
      end

      # @!endgroup

      # Sends a frame. A content-length is always added, and a content-type (text/plain in UTF-8) unless the headers
      # contain one.
      #
      # @param verb [#to_s]
      # @param headers [Hash{#to_s => #to_s}] sent in the order given
      # @param body [#to_s]
      # @return [void]
      # @raise [ArgumentError] if the verb or a header cannot be expressed; nothing is sent then
      def send_frame(verb, headers = {}, body = "")
        body = body.to_s.b
        frame = WireText.line(verb, "the command") << "\n"
        lines = headers.to_h { |name, value| [header_name(name), WireText.line(value, "the header #{name}")] }
        lines.delete("content-length")
        lines.each { |name, value| frame << name << ":" << value << "\n" }
        frame << "content-length: #{body.bytesize}\n"
        frame << "content-type: text/plain; charset=UTF-8\n" unless lines.key?("content-type")
        send_data(frame << "\n" << body << "\0")
        nil
      end

      # Introduces the client to the server, which replies with CONNECTED or ERROR. Call it in `connection_completed`.
      # @param params [Hash] headers: `:login`, `:passcode`, `:host`, …
      # @raise [ArgumentError] see {#send_frame}; the same holds for all commands
      def connect(params = {})
        send_frame("CONNECT", params)
      end

      # Sends a message to a destination. Hides Object#send; use `__send__` instead.
      # @param destination [#to_s]
      # @param body [#to_s]
      # @param params [Hash] more headers
      def send(destination, body, params = {})
        send_frame("SEND", params.merge(destination: destination), body)
      end

      # Subscribes to a destination.
      # @param dest [#to_s]
      # @param ack [Boolean] whether messages count as received only after {#ack}
      # @param params [Hash] more headers
      def subscribe(dest, ack = false, params = {})
        send_frame("SUBSCRIBE", { destination: dest, ack: ack ? "client" : "auto" }.merge(params))
      end

      # Ends a subscription.
      # @param dest [#to_s]
      # @param params [Hash] more headers
      def unsubscribe(dest, params = {})
        send_frame("UNSUBSCRIBE", { destination: dest }.merge(params))
      end

      # Acknowledges a message.
      # @param message_id [#to_s] the header `message-id` of the message
      # @param params [Hash] more headers, such as the transaction
      def ack(message_id, params = {})
        send_frame("ACK", { "message-id": message_id }.merge(params))
      end

      # Begins a transaction. Frames with its name in the header `transaction` take effect when it is committed.
      # @param transaction [#to_s]
      def begin(transaction, params = {})
        send_frame("BEGIN", { transaction: transaction }.merge(params))
      end

      # Commits a transaction.
      # @param transaction [#to_s]
      def commit(transaction, params = {})
        send_frame("COMMIT", { transaction: transaction }.merge(params))
      end

      # Aborts a transaction. Hides Kernel#abort.
      # @param transaction [#to_s]
      def abort(transaction, params = {})
        send_frame("ABORT", { transaction: transaction }.merge(params))
      end

      # Sends DISCONNECT, and closes the connection once everything is sent.
      # @param params [Hash] headers
      def disconnect(params = {})
        send_frame("DISCONNECT", params)
        close_connection_after_writing
      end

      # @!group Called by LineText2

      # The limit for the next line. A body without a content-length is received as a line.
      def max_line_length
        @stomp_state == :open_body ? max_body_bytes : max_header_line_bytes
      end

      # @private
      def receive_line(line)
        case @stomp_state
        when nil then stomp_begin(line)
        when :header then line.empty? ? stomp_end_header : stomp_receive_header(line)
        when :open_body then stomp_deliver(line)
        end
      end

      # @private
      def receive_binary_data(data)
        case @stomp_state
        when :sized_body then stomp_receive_body(data)
        when :terminator then stomp_deliver(@stomp_message.body)
        end
      end

      # Classes that override this call `super`.
      def unbind(reason = nil)
        @stomp_state = :ended
        super
        set_delimiter("\n")
        set_line_mode
        @stomp_state = @stomp_message = nil
      end

      # @!endgroup

      private

      def header_name(name)
        text = WireText.line(name, "a header's name")
        raise ArgumentError, "a header's name must not be empty or contain a colon" if text.empty? || text.include?(":")

        text
      end

      # Blank lines between frames keep the connection alive.
      def stomp_begin(line)
        return if line.strip.empty?

        @stomp_message = Message.new(line)
        @stomp_header_lines = 0
        @stomp_state = :header
      end

      def stomp_receive_header(line)
        @stomp_header_lines += 1
        return stomp_fail("more than #{max_header_lines} header lines") if @stomp_header_lines > max_header_lines

        name, value = line.split(":", 2).map(&:strip)
        @stomp_message.header[name] = value unless value.nil? || value.empty?
      end

      def stomp_end_header
        length = @stomp_message.header["content-length"]
        return stomp_await_terminated_body unless length
        return stomp_fail("content-length is not a number") unless length.match?(/\A\d+\z/)

        stomp_await_sized_body(Integer(length, 10))
      end

      def stomp_await_terminated_body
        @stomp_state = :open_body
        set_delimiter("\0")
      end

      def stomp_await_sized_body(bytes)
        return stomp_fail("a body of #{bytes} bytes is too long") if bytes > [max_body_bytes, LineText2::MaxBinaryLength].min
        return stomp_receive_body("".b) if bytes.zero?

        @stomp_state = :sized_body
        set_text_mode(bytes)
      end

      # One byte ends the body, whatever its value.
      def stomp_receive_body(body)
        @stomp_message.body = body
        @stomp_state = :terminator
        set_text_mode(1)
      end

      def stomp_deliver(body)
        message = @stomp_message
        message.body = body
        @stomp_state = @stomp_message = nil
        set_delimiter("\n")
        receive_msg(message)
      end

      # In this state, all further data is dropped.
      def stomp_fail(text)
        @stomp_state = :failed
        @stomp_message = nil
        set_text_mode
        receive_error(text)
      ensure
        parsing_close
      end
    end
  end
end
