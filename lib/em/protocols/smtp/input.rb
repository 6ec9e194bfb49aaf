# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

module EventMachine
  module Protocols
    module Smtp
      # The input of an SMTP connection, cut into lines. Of each line it keeps no more than the limit, whatever the peer
      # sends.
      class Input
        CR = "\r".ord
        DOT = ".".ord
        END_OF_TEXT = "\r\n.\r\n".b.freeze
        # A CR followed by a byte other than LF.
        BARE_CR = /\r[^\n]/n.freeze
        private_constant :CR, :DOT, :END_OF_TEXT, :BARE_CR

        def initialize
          clear
        end

        # Drops everything.
        def clear
          @bytes = "".b
          @position = 0
          @one_by_one_until = 0
          @overlong = false
        end

        # @param data [String] neither changed here nor later by the caller
        def <<(data)
          data = data.b unless data.encoding == Encoding::BINARY
          @bytes = @position == @bytes.bytesize ? data : rest + data
          @position = @one_by_one_until = 0
        end

        # Whether a line is being dropped because it is too long; its end may never come.
        def overlong?
          @overlong
        end

        # @return [Integer] the number of unread bytes
        def size
          @bytes.bytesize - @position
        end

        # The next command, which ends in CRLF or LF.
        # @param limit [Numeric] the most bytes that it may have, including its end
        # @return [String, Symbol, nil] the command without its end; :overlong; nil if it has not arrived
        def command(limit)
          stop = @bytes.index("\n", @position) or return keep_at_most(limit)
          take(stop, limit, stop > @position && @bytes.getbyte(stop - 1) == CR ? 2 : 1)
        end

        # The next line of a message, which ends in CRLF and nothing else.
        # @param limit [Numeric] the most bytes that it may have, including its end, but not a leading dot
        # @param strict [Boolean] whether a bare CR or LF is an error; otherwise they are like any other byte
        # @return [String, Symbol, nil] the line without its end; :bare; :overlong; nil if it has not arrived
        def text(limit, strict)
          stop = strict ? @bytes.index("\n", @position) : @bytes.index("\r\n", @position)&.succ
          limit += 1 if @bytes.getbyte(@position) == DOT
          return (strict && @bytes.match?(BARE_CR, @position) ? :bare : keep_at_most(limit)) unless stop
          return :bare if strict && !ends_once?(stop)

          take(stop, limit, 2)
        end

        # All complete lines of a message that have arrived, up to its final dot, if all of them are valid.
        # @param limit see {#text}
        # @return [Array(Array<String>, Integer), nil] the lines without ends and escaping dots, and their total size
        #   including ends; nil if there are none, or if {#text} has to check them one by one
        def text_lines(limit)
          return if @overlong || @position < @one_by_one_until || @bytes.byteslice(@position, 3) == ".\r\n"

          stop = @bytes.index(END_OF_TEXT, @position) || @bytes.rindex("\r\n")
          return if stop.nil? || stop < @position

          block = @bytes.byteslice(@position, stop + 2 - @position)
          lines = block.split("\r\n", -1)
          lines.pop
          return one_by_one_until(stop) unless sound?(block, lines, limit - 2)

          @position = stop + 2
          unescaped(block, lines)
        end

        private

        def one_by_one_until(stop)
          @one_by_one_until = stop
          nil
        end

        # Whether every CR and LF belongs to a line end, and no line is too long.
        def sound?(block, lines, limit)
          block.count("\r\n") == 2 * lines.size && (block.bytesize <= limit || lines.map(&:bytesize).max <= limit)
        end

        def unescaped(block, lines)
          return [lines, block.bytesize] unless block.start_with?(".") || block.include?("\r\n.")

          lines = lines.map { |line| line.delete_prefix(".") }
          [lines, lines.sum(&:bytesize) + 2 * lines.size]
        end

        # Whether the first CR of the line is the one in front of its LF.
        def ends_once?(stop)
          @bytes.index("\r", @position) == stop - 1
        end

        def take(stop, limit, end_size)
          start = @position
          @position = stop + 1
          return @bytes.byteslice(start, @position - start - end_size) unless @overlong || @position - start > limit

          @overlong = false
          :overlong
        end

        # The last byte is kept, since it may be the CR of a line end.
        def keep_at_most(limit)
          return if size <= limit

          @overlong = true
          @bytes = @bytes.byteslice(-1, 1)
          @position = 0
          nil
        end

        def rest
          @bytes.byteslice(@position..)
        end
      end
    end
  end
end
