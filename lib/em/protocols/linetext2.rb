# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "em/protocols/limits"
require "em/protocols/line_parsing"

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
    # All callbacks may change the mode and the delimiter, which holds from the very next byte, wherever the network has
    # cut the stream. What a callback puts back by {#set_line_mode} or `receive_data` is parsed once the callback has
    # returned, before anything else. What is behind a callback that raised
    # is parsed in the reactor's next turn.
    #
    # A connection whose peer exceeds a limit is closed after {#receive_error}; nothing is received any more.
    # Works in any object; needs no reactor.
    module LineText2
      include LineParsing
      extend Limits

      MaxBinaryLength = 32 * 1024 * 1024

      # @!attribute max_binary_length
      #   @return [Numeric] the most that {#set_text_mode} takes, in bytes
      limit :max_binary_length, MaxBinaryLength

      # @!group Callbacks

      # A line has arrived.
      # @param line [String] binary, without its delimiter, the callback's own
      def receive_line(line)
      end

      # Text has arrived: all of it if its size is known, else each piece as it comes.
      # @param data [String] binary, the callback's own
      def receive_binary_data(data)
      end

      # Text of a known size is complete; {#receive_binary_data} has had it.
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
        parsing_receive(data) { lt2_receive_next }
      end

      # Gives what has arrived of a text of known size to {#receive_binary_data}. Classes that override this call
      # `super` to have that.
      def unbind(_reason = nil)
        size = @lt2_text_size unless @lt2_text_size == :any
        rest = parsing_input.take(size) if size
        @lt2_text_size = nil if size
        parsing_reset
        receive_binary_data(rest) if rest && !rest.empty?
      end

      # What ends lines from now on. LF is the first; a CR in front of it belongs to it.
      # @param delimiter [Regexp, #to_s] Of a Regexp an empty match is none, and a match ends with what has arrived,
      #   even if it could go on.
      # @raise [ArgumentError] if it is empty, or a Regexp of characters that are not bytes
      def set_delimiter(delimiter)
        parsing_input.delimiter = Delimiter.for(delimiter)
      end

      # Lines follow. Outside of callbacks, what has arrived of a line is dropped.
      # @param data [#to_s] is parsed first
      # @return [void]
      def set_line_mode(data = "")
        @lt2_text_size = nil
        parsing_input.clear if !@parsing_now && parsing_input.lines(max_line_length).empty?
        parsing_input.put_back(data.to_s) unless @parsing_failed
        parsing_run { lt2_receive_next }
      end

      # Text follows.
      # @param size [Integer, nil] in bytes: {#receive_binary_data} is called once, then {#receive_end_of_binary_data},
      #   and lines follow. Nil: pieces of any size, until {#set_line_mode}. 0 is the same as {#set_line_mode}.
      # @raise [ArgumentError] if size is no Integer, negative or more than {#max_binary_length}
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
