# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "eventmachine"
require "em/protocols/line_parsing"

module EventMachine
  module Protocols
    # Lines that end in LF or CR LF, with binary data between them. New programs should use {LineText2}.
    #
    # Classes define the callbacks that they need: `receive_line(line)`, `receive_binary_data(data)` and
    # `receive_error(text)`. All Strings are binary and belong to the callback.
    #
    # A StandardError raised by `receive_line` ends the connection like an overlength line, after
    # `receive_error("overlength line")`; see {#receive_exception}.
    class LineAndTextProtocol < Connection
      include LineParsing

      # The largest size that {#set_binary_mode} accepts, in bytes.
      MaxBinaryLength = 32 * 1024 * 1024

      LONGEST_LINE = 16 * 1024
      private_constant :LONGEST_LINE

      # Parses data that has arrived.
      # @param data [String, nil]
      # @return [void]
      def receive_data(data)
        parsing_receive(data) { lt_receive_next }
      end

      # Passes unfinished binary data of known size, which may be empty, to `receive_binary_data`. Classes that override
      # this method call `super` to keep that.
      def unbind(_reason = nil)
        rest = parsing_input.take(@lt_binary_size) if @lt_binary_size.is_a?(Integer) && !@parsing_failed
        @lt_binary_size = nil
        parsing_reset
        lt_receive_binary(rest) if rest
      end

      # Switches to binary data. Bytes that have already arrived are delivered before this method returns.
      # @param size [Integer, nil] in bytes: `receive_binary_data` is called once, and lines follow. 0: that call is
      #   made at once. Nil: everything that follows is binary data and is delivered in pieces as it arrives, beginning
      #   with the bytes that have already arrived, if any; the first piece may be empty.
      # @raise [RuntimeError] "invalid operation" if binary data is being received, even within `receive_binary_data`;
      #   "Overlength" if size is more than {MaxBinaryLength}
      # @raise [ArgumentError] if size is not an Integer, or is negative
      # @return [void]
      def set_binary_mode(size = nil)
        raise "invalid operation" if @lt_binary_size

        lt_check_size(size) unless size.nil?
        return lt_receive_binary("") if size.eql?(0)

        parsing_input.put_back_lines
        @lt_binary_size = size || :any
        size ? lt_receive_sized : lt_receive_binary(parsing_input.take_all)
      end

      # Called with an exception raised by `receive_line`, before the connection is closed. By default, the exception
      # goes to the {EventMachine.error_handler} if one is set, otherwise to the standard error stream.
      # @param error [StandardError]
      def receive_exception(error)
        handler = EventMachine.instance_variable_get(:@error_handler)
        handler ? handler.call(error) : warn(error.full_message(highlight: false))
      end

      private

      def parsing_longest_line
        LONGEST_LINE
      end

      def lt_check_size(size)
        raise ArgumentError, "the size must be an Integer" unless size.is_a?(Integer)
        raise ArgumentError, "the size must not be negative" if size.negative?
        raise "Overlength" if size > MaxBinaryLength
      end

      def lt_receive_next
        case @lt_binary_size
        when nil then lt_receive_lines
        when :any then lt_receive_piece
        when :given then false
        else lt_receive_sized
        end
      end

      def lt_receive_lines
        parsing_receive_lines
      rescue StandardError => e
        raise if @parsing_failed

        begin
          receive_exception(e)
        ensure
          parsing_fail("overlength line")
        end
      end

      def receive_line(line)
      end

      def lt_receive_piece
        piece = parsing_input.take_all
        return false if piece.empty?

        lt_receive_binary(piece)
        true
      end

      # The mode changes back to lines only when the callback has returned.
      def lt_receive_sized
        return false if parsing_input.size < @lt_binary_size

        data = parsing_input.take(@lt_binary_size)
        begin
          @lt_binary_size = :given
          lt_receive_binary(data)
        ensure
          @lt_binary_size = nil
        end
        true
      end

      def lt_receive_binary(data)
        receive_binary_data(data) if respond_to?(:receive_binary_data, true)
      end
    end
  end
end
