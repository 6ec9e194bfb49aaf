# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

module EventMachine
  module Protocols
    module Smtp
      # What a client has sent and a server has not yet looked at, cut into lines. It keeps no more of a line than the
      # line may have, whatever is sent.
      class Input
        CR = "\r".ord
        DOT = ".".ord
        END_OF_TEXT = "\r\n.\r\n".b.freeze
        # A CR whose successor has arrived and is no LF.
        BARE_CR = /\r[^\n]/n.freeze
        private_constant :CR, :DOT, :END_OF_TEXT, :BARE_CR

        def initialize
          clear
        end

        # Forgets everything.
        def clear
          @bytes = "".b
          @position = 0
          @one_by_one_until = 0
          @overlong = false
        end

        # @param data [String] not changed, here or later
        def <<(data)
          data = data.b unless data.encoding == Encoding::BINARY
          @bytes = @position == @bytes.bytesize ? data : rest + data
          @position = @one_by_one_until = 0
        end

        # Whether a line is being dropped because it is too long; its end may never come.
        def overlong?
          @overlong
        end

        # @return [Integer] how many bytes wait
        def size
          @bytes.bytesize - @position
        end

        # The next command, which ends in CRLF or LF.
        # @param limit [Numeric] how many bytes it may have, its end counted
        # @return [String, Symbol, nil] without its end; :overlong; nil if it has not arrived
        def command(limit)
          stop = @bytes.index("\n", @position) or return keep_at_most(limit)
          take(stop, limit, stop > @position && @bytes.getbyte(stop - 1) == CR ? 2 : 1)
        end

        # The next line of a message, which ends in CRLF and nothing else.
        # @param limit [Numeric] how many bytes it may have, its end counted, but not a leading dot
        # @param strict [Boolean] whether CR and LF may not stand alone; else they are like any other byte
        # @return [String, Symbol, nil] without its end; :bare; :overlong; nil if it has not arrived
        def text(limit, strict)
          stop = strict ? @bytes.index("\n", @position) : @bytes.index("\r\n", @position)&.succ
          limit += 1 if @bytes.getbyte(@position) == DOT
          return (strict && @bytes.match?(BARE_CR, @position) ? :bare : keep_at_most(limit)) unless stop
          return :bare if strict && !ends_once?(stop)

          take(stop, limit, 2)
        end

        # All whole lines of a message that have arrived, up to its final dot, if nothing is wrong with any of them.
        # @param limit see {#text}
        # @return [Array(Array<String>, Integer), nil] the lines without ends and escaping dots, and the bytes of all,
        #   ends counted; nil if there are none, or if {#text} has to look at them one by one
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

        # There are no more CR and LF than the line ends have, and no line is too long.
        def sound?(block, lines, limit)
          block.count("\r\n") == 2 * lines.size && (block.bytesize <= limit || lines.map(&:bytesize).max <= limit)
        end

        def unescaped(block, lines)
          return [lines, block.bytesize] unless block.start_with?(".") || block.include?("\r\n.")

          lines = lines.map { |line| line.delete_prefix(".") }
          [lines, lines.sum(&:bytesize) + 2 * lines.size]
        end

        # Whether the first CR of the line is the one before its LF.
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

        # The last byte of what is dropped may be a line end's first.
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
