# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "em/protocols/limits"
require "em/protocols/line_buffer"

module EventMachine
  module Protocols
    # Lines, and between them text of a known or unknown size, as in most protocols of the Internet: a header that says
    # how many bytes follow, and then these.
    #
    #   class Orders < EM::Connection
    #     include EM::P::LineText2
    #
    #     def receive_line(line)
    #       set_text_mode(Integer(line[/\Aorder (\d+)\z/, 1]))
    #     end
    #
    #     def receive_binary_data(order)
    #       …
    #     end
    #   end
    #
    # All callbacks may change the mode and the delimiter, which is for the very next byte, wherever the network has cut
    # the stream. What a callback puts back by {#set_line_mode} or `receive_data` is parsed once it has returned, before
    # anything else. What is behind a callback that raised is parsed with the next data.
    #
    # A connection whose peer exceeds a limit is closed after {#receive_error}; nothing is received any more.
    # Works in any object that has a `receive_data`. What is defined here begins with `lt2_` or is listed below.
    module LineText2
      # The most that {#set_text_mode} takes, in bytes.
      MaxBinaryLength = 32 * 1024 * 1024

      DEFAULT_LINE_LENGTH = 1024 * 1024
      private_constant :DEFAULT_LINE_LENGTH

      # @return [Numeric] how many bytes a line may have, its delimiter not counted; at first 1 MiB. Float::INFINITY: any
      #   number. May be overridden.
      def max_line_length
        @max_line_length || DEFAULT_LINE_LENGTH
      end

      # @param bytes [Numeric]
      def max_line_length=(bytes)
        lt2_buffer.put_back("")
        @max_line_length = bytes
      end

      # @!group Callbacks

      # A line has arrived.
      # @param line [String] binary, without its delimiter, the callback's own
      def receive_line(line)
      end

      # Text has arrived: all of it if its size is known, else each piece as it comes.
      # @param data [String] binary, the callback's own
      def receive_binary_data(data)
      end

      # Text of a known size is complete and was given to {#receive_binary_data}.
      def receive_end_of_binary_data
      end

      # A limit is exceeded; the connection is closed afterwards.
      # @param text [String] "overlength line"
      def receive_error(text)
      end

      # @!endgroup

      # Parses what has arrived.
      # @param data [String, nil]
      # @return [void]
      def receive_data(data)
        return if data.nil? || data.empty? || @lt2_failed
        return lt2_buffer.put_back(data) if @lt2_parsing

        lt2_buffer.append(data)
        lt2_parse
      end

      # What has arrived of a text of known size is given to {#receive_binary_data}. Classes that override this call
      # `super` to have that.
      def unbind(_reason = nil)
        size = @lt2_text_size
        rest = lt2_buffer.take(size) if size && size != :any && !@lt2_failed
        lt2_buffer.clear
        @lt2_failed = false
        receive_binary_data(rest) if rest && !rest.empty?
      end

      # What ends lines from now on. After LF, which it is at first, a CR in front of it belongs to it, too.
      # @param delimiter [Regexp, #to_s] A match of a Regexp must not be empty; where it could go on it ends with what
      #   has arrived.
      # @raise [ArgumentError] if it is empty, or a Regexp of characters that are not bytes
      def set_delimiter(delimiter)
        lt2_buffer.delimiter = delimiter
      end

      # Lines follow. What has arrived of a line is dropped.
      # @param data [#to_s] is parsed first
      # @return [void]
      def set_line_mode(data = "")
        @lt2_text_size = nil
        lt2_buffer.clear if !@lt2_parsing && lt2_buffer.lines(max_line_length).empty?
        receive_data(data.to_s)
      end

      # Text follows.
      # @param size [Integer, nil] in bytes: {#receive_binary_data} is called once, then {#receive_end_of_binary_data},
      #   and lines follow. Nil: pieces of any size, until {#set_line_mode}. 0 is the same as {#set_line_mode}.
      # @raise [ArgumentError] if size is no Integer, negative or more than {MaxBinaryLength}
      # @return [void]
      def set_text_mode(size = nil)
        return set_line_mode if size.eql?(0)

        @lt2_text_size = size.nil? ? :any : lt2_check_size(size)
        lt2_buffer.put_back("")
        lt2_parse unless @lt2_parsing
      end

      alias set_binary_mode set_text_mode

      private

      # Other limits than those of the classes are read before each line, as they may change with it.
      def lt2_buffer
        @lt2_buffer ||= LineBuffer.new
      end

      def lt2_check_size(size)
        raise ArgumentError, "the size must be an Integer" unless size.is_a?(Integer)
        raise ArgumentError, "the size must not be negative" if size.negative?
        raise ArgumentError, "the size must not exceed #{MaxBinaryLength} bytes" if size > MaxBinaryLength

        size
      end

      def lt2_parse
        @lt2_parsing = true
        nil while lt2_receive_next
      ensure
        @lt2_parsing = false
        lt2_buffer.settle
      end

      # @return [Boolean] whether there may be more
      def lt2_receive_next
        case @lt2_text_size
        when nil then lt2_receive_lines
        when :any then lt2_receive_piece
        else lt2_receive_text(@lt2_text_size)
        end
      end

      def lt2_receive_lines
        longest = max_line_length
        lines = lt2_buffer.lines(longest)
        return lt2_buffer.overlength?(longest) && lt2_fail("overlength line") if lines.empty?

        while (line = lines.shift)
          receive_line(line)
        end
        true
      end

      def lt2_receive_piece
        piece = lt2_buffer.take_all
        return false if piece.empty?

        receive_binary_data(piece)
        true
      end

      def lt2_receive_text(size)
        return false if lt2_buffer.size < size

        @lt2_text_size = nil
        receive_binary_data(lt2_buffer.take(size))
        receive_end_of_binary_data
        true
      end

      def lt2_fail(text)
        @lt2_failed = true
        lt2_buffer.clear
        receive_error(text)
        false
      ensure
        close_connection if respond_to?(:close_connection, true)
      end
    end
  end
end
