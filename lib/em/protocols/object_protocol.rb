# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "em/protocols/limits"
require "em/protocols/parsing"

module EventMachine
  module Protocols
    # Objects, each sent as a length of four bytes in network byte order, followed by the bytes that the {#serializer}
    # makes.
    #
    #   class Counter < EM::Connection
    #     include EM::P::ObjectProtocol
    #
    #     def receive_object(words)
    #       send_object(words.tally)
    #     end
    #   end
    #
    # Ruby's Marshal creates objects of any class that the sender names, so the default serializer reads plain data
    # only; see {PlainMarshal}. A program that trusts all its peers may define `def serializer = Marshal`.
    #
    # If the peer sends more than {#max_object_size} bytes or data that the serializer cannot load,
    # `receive_error(text)` is called, if it is defined, and the connection is closed. After a `receive_object` that
    # raised, the data that follows is parsed in the reactor's next turn. The module works in any object that has
    # `send_data`, and needs no reactor.
    module ObjectProtocol
      include Parsing
      extend Limits

      autoload :JSON, "em/protocols/object_protocol/json"
      autoload :PlainMarshal, "em/protocols/object_protocol/plain_marshal"

      LENGTH_BYTES = 4
      LONGEST_FRAME = (1 << 32) - 1
      private_constant :LENGTH_BYTES, :LONGEST_FRAME

      # @!attribute max_object_size
      #   @return [Numeric] the most bytes that a received object may have; 32 MiB by default
      limit :max_object_size, 32 * 1024 * 1024

      # Turns objects into bytes and back. Override it to return `Marshal`, {ObjectProtocol::JSON}, or any other object
      # with these two methods.
      # @return [#dump, #load] {PlainMarshal} by default
      def serializer
        PlainMarshal
      end

      # Sends an object.
      # @return [Integer] the result of `send_data`
      # @raise [ArgumentError] if it takes more than 4 GiB - 1
      # @raise any error of the serializer's `dump`; nothing is sent then
      def send_object(object)
        bytes = serializer.dump(object)
        raise ArgumentError, "the object takes more than #{LONGEST_FRAME} bytes" if bytes.bytesize > LONGEST_FRAME

        send_data([bytes.bytesize].pack("N") << bytes.b)
      end

      # An object has arrived. Objects are received in the order in which they were sent.
      # @param object [Object]
      def receive_object(object)
      end

      # Parses data that has arrived.
      # @param data [String, nil]
      # @return [void]
      def receive_data(data)
        return if data.nil? || data.empty? || @parsing_failed

        parsing_input.append(data)
        parsing_loop { object_receive_next } unless parsing_in_callback?
      end

      # Drops an unfinished object, for connections that reconnect.
      def unbind(_reason = nil)
        @object_size = nil
        parsing_reset
      end

      private

      def object_receive_next
        return false unless object_size && parsing_input.size >= object_size

        bytes = parsing_input.take(@object_size)
        @object_size = nil
        object = object_load(bytes) { |error| return parsing_fail("object not loaded: #{error.message}") }
        receive_object(object)
        true
      end

      # @return [Integer, nil] the length of the next object
      def object_size
        @object_size ||= object_read_size
      end

      def object_read_size
        return if parsing_input.size < LENGTH_BYTES

        size = parsing_input.take(LENGTH_BYTES).unpack1("N")
        return size if size <= max_object_size

        parsing_fail("overlength object")
        nil
      end

      # @yieldparam error [Exception] why the object cannot be loaded; not an error raised by `receive_object`
      def object_load(bytes)
        serializer.load(bytes)
      rescue StandardError, SystemStackError => e
        yield e
      end
    end
  end
end
