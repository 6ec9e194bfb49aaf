# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "em/protocols/limits"
require "em/protocols/line_parsing"

module EventMachine
  module Protocols
    # Lines, with text of a known or unknown size between them, as in most Internet protocols: a header line says how
    # many bytes follow.
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
    # Every callback may change the mode and the delimiter. The change applies from the very next byte, wherever the
    # network has split the stream. Data that a callback puts back by {#set_line_mode} or `receive_data` is parsed
    # before anything else, once the callback has returned. After a callback that raised, the data that follows is
    # parsed in the reactor's next turn.
    #
    # If the peer exceeds a limit, {#receive_error} is called and the connection is closed. Nothing more is received.
    # The module works in any object and needs no reactor.
    module LineText2
      include LineParsing
      extend Limits

      MaxBinaryLength = 32 * 1024 * 1024

      # @!attribute max_binary_length
      #   @return [Numeric] the largest size that {#set_text_mode} accepts, in bytes
      limit :max_binary_length, MaxBinaryLength

      # @!group Callbacks

      # A line has arrived.
      # @param line [String] binary, without its delimiter; belongs to the callback
      def receive_line(line)
      end

      # Text has arrived: the whole text if its size is known, otherwise each piece as it arrives.
      # @param data [String] binary; belongs to the callback
      def receive_binary_data(data)
      end

      # A text of known size is complete and has been passed to {#receive_binary_data}.
      def receive_end_of_binary_data
      end

      # The peer has exceeded a limit. The connection is closed afterwards.
      # @param text [String] "overlength line"
      def receive_error(text)
      end

      # @!endgroup

      # Parses data that has arrived.
      # @param data [String, nil]
      # @return [void]
      def receive_data(data)
        parsing_receive(data) { lt2_receive_next }
      end

      # Passes the unfinished part of a text of known size to {#receive_binary_data}. Classes that override this method
      # call `super` to keep that.
      def unbind(_reason = nil)
        size = @lt2_text_size unless @lt2_text_size == :any
        rest = parsing_input.take(size) if size
        @lt2_text_size = nil if size
        parsing_reset
        receive_binary_data(rest) if rest && !rest.empty?
      end

      # Sets the delimiter of the lines that follow. It is LF at first, with an optional CR in front of it.
      # @param delimiter [Regexp, #to_s] An empty match of a Regexp does not count. A match ends at the end of the data
      #   that has arrived, even if it could be longer.
      # @raise [ArgumentError] if it is empty, or a Regexp that matches characters rather than bytes
      def set_delimiter(delimiter)
        parsing_input.delimiter = Delimiter.for(delimiter)
      end

      # Switches to lines. Outside of callbacks, an unfinished line is dropped.
      # @param data [#to_s] parsed before anything else
      # @return [void]
      def set_line_mode(data = "")
        @lt2_text_size = nil
        parsing_input.clear if !@parsing_now && parsing_input.lines(max_line_length).empty?
        parsing_input.put_back(data.to_s) unless @parsing_failed
        parsing_run { lt2_receive_next }
      end

      # Switches to text.
      # @param size [Integer, nil] in bytes: {#receive_binary_data} is called once, then {#receive_end_of_binary_data},
      #   and lines follow. Nil: pieces of any size, until {#set_line_mode}. 0 is the same as {#set_line_mode}.
      # @raise [ArgumentError] if size is not an Integer, is negative, or is more than {#max_binary_length}
      # @return [void]
      def set_text_mode(size = nil)
        return set_line_mode if size.eql?(0)

        lt2_check_size(size) unless size.nil?
        @lt2_text_size = size || :any
        parsing_input.put_back_lines
        parsing_run { lt2_receive_next }
      end

      alias set_binary_mode set_text_mode

      private

      def lt2_check_size(size)
        raise ArgumentError, "the size must be an Integer" unless size.is_a?(Integer)
        raise ArgumentError, "the size must not be negative" if size.negative?
        raise ArgumentError, "the size must not exceed #{max_binary_length} bytes" if size > max_binary_length
      end

      def lt2_receive_next
        case @lt2_text_size
        when nil then parsing_receive_lines
        when :any then lt2_receive_piece
        else lt2_receive_text(@lt2_text_size)
        end
      end

      def lt2_receive_piece
        piece = parsing_input.take_all
        return false if piece.empty?

        receive_binary_data(piece)
        true
      end

      def lt2_receive_text(size)
        return false if parsing_input.size < size

        @lt2_text_size = nil
        receive_binary_data(parsing_input.take(size))
        receive_end_of_binary_data
        true
      end
    end
  end
end
