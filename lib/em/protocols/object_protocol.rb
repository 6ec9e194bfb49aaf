# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "em/protocols/limits"
require "em/protocols/parsing"

module EventMachine
  module Protocols
    # Objects, each sent as its length in four bytes, the highest first, and then what {#serializer} makes of it.
    #
    #   class Counter < EM::Connection
    #     include EM::P::ObjectProtocol
    #
    #     def receive_object(words)
    #       send_object(words.tally)
    #     end
    #   end
    #
    # As Ruby's Marshal makes objects of any class that a stranger names, the default reads plain data only, see
    # {PlainMarshal}. A program that trusts all its peers says so: `def serializer = Marshal`.
    #
    # The connection is closed, after `receive_error(text)` if that is defined, when a peer sends more than
    # {#max_object_size} or what the serializer cannot load. What is behind a `receive_object` that raised is parsed in
    # the reactor's next turn. Works in any object that has `send_data`; needs no reactor.
    module ObjectProtocol
      include Parsing
      extend Limits

      autoload :JSON, "em/protocols/object_protocol/json"
      autoload :PlainMarshal, "em/protocols/object_protocol/plain_marshal"

      LENGTH_BYTES = 4
      LONGEST_FRAME = (1 << 32) - 1
      private_constant :LENGTH_BYTES, :LONGEST_FRAME

      # @!attribute max_object_size
      #   @return [Numeric] how many bytes a received object may have; 32 MiB by default
      limit :max_object_size, 32 * 1024 * 1024

      # Turns objects into bytes and back. To be overridden with the module `Marshal`, {ObjectProtocol::JSON}, or any
      # other object with these two methods.
      # @return [#dump, #load] {PlainMarshal} by default
      def serializer
        PlainMarshal
      end

      # Sends an object.
      # @return [Integer] as `send_data`
      # @raise [ArgumentError] if it takes more than 4 GiB - 1
      # @raise whatever the serializer's `dump` does; nothing is sent then
      def send_object(object)
        bytes = serializer.dump(object)
        raise ArgumentError, "the object takes more than #{LONGEST_FRAME} bytes" if bytes.bytesize > LONGEST_FRAME

        send_data([bytes.bytesize].pack("N") << bytes.b)
      end

      # An object has arrived; called in the order in which they were sent.
      # @param object [Object]
      def receive_object(object)
      end

      # Parses what has arrived.
      # @param data [String, nil]
      # @return [void]
      def receive_data(data)
        return if data.nil? || data.empty? || @parsing_failed

        parsing_input.append(data)
        parsing_loop { object_receive_next } unless parsing_within?
      end

      # Forgets an unfinished object, for connections that connect again.
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

      # @return [Integer, nil] how long the next object is
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

      # @yieldparam error [Exception] why there is no object; not what `receive_object` raises
      def object_load(bytes)
        serializer.load(bytes)
      rescue StandardError, SystemStackError => e
        yield e
      end
    end
  end
end
