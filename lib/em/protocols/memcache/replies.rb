# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

module EventMachine
  module Protocols
    module Memcache
      # The replies on one connection: a queue of the requests that expect a reply, and the parser that matches each
      # reply with the first request. It never guesses: a reply that does not fit the request is a ParserError.
      class Replies
        VALUE = /\GVALUE ([^ \r\n]+) \d+ (\d+)(?: \d+)?\r\n/n.freeze
        V = 0x56
        CR = 0x0d
        LF = 0x0a
        ERROR = /\A(?:ERROR|CLIENT_ERROR|SERVER_ERROR)(?: |\z)/n.freeze
        # Keys have at most 250 bytes, and an error is a sentence.
        MAX_LINE_BYTES = 2048

        # @param owner [Memcache] provides the limit, and is called with each error line
        def initialize(owner)
          @owner = owner
          @requests = []
          @buffer = "".b
          @position = 0
          @awaited = 0
        end

        # @param request [Lookup, Retrieval, Modification, nil] nil for a command without a reply; the server may still
        #   report errors in its syntax
        def expect(request)
          return @unanswered = true unless request

          request.ambiguous = @unanswered
          @unanswered = false
          @requests << request
        end

        # @param data [String]
        # @raise [ParserError]
        def receive(data)
          keep(data.b)
          return if @buffer.bytesize < @awaited

          @awaited = 0
          nil while read_reply
        end

        # Gives up all requests, each exactly once, even if a block raises.
        def abandon
          @buffer = "".b
          @position = @awaited = 0
          @requests.shift.give_up until @requests.empty?
        ensure
          EventMachine.next_tick { abandon } unless @requests.empty?
        end

        private

        # @return [Boolean] whether a complete reply was read. A line that looks like a value but is malformed is
        #   unexpected.
        def read_reply
          raise ParserError, "a reply arrived before its command was sent" if @early

          head = VALUE.match(@buffer, @position) if @buffer.getbyte(@position) == V
          return read_value(head[1], head[2].to_i, head.end(0)) if head

          line = read_line
          line ? receive_line(line) : false
        end

        # @return [Boolean] whether it has arrived
        def read_value(key, bytes, start)
          raise ParserError, "a value of #{bytes} bytes is too long" if bytes > @owner.max_value_bytes

          stop = start + bytes
          return await(stop + 2) if @buffer.bytesize < stop + 2
          raise ParserError, "a value does not end in CRLF" unless @buffer.getbyte(stop) == CR && @buffer.getbyte(stop + 1) == LF
          raise ParserError, "the server sent a value without a request" if @requests.empty?

          @position = stop + 2
          @requests.first.receive_value(key, @buffer.byteslice(start, bytes))
          true
        end

        # Avoids parsing until enough has arrived. A match refers to the buffer, so the next append would copy it.
        # @return [false]
        def await(stop)
          @awaited = stop - @position
          false
        end

        def read_line
          stop = @buffer.index(Cdelimiter, @position)
          if (stop || @buffer.bytesize) - @position > MAX_LINE_BYTES
            raise ParserError, "a line has more than #{MAX_LINE_BYTES} bytes"
          end
          return unless stop

          line = @buffer.byteslice(@position, stop - @position)
          @position = stop + 2
          line
        end

        # @return [true]
        def receive_line(line)
          outcome = @requests.first&.outcome(line)
          if !outcome.nil? then finish(@requests.shift, outcome)
          elsif line.match?(ERROR) then receive_error(line)
          else raise ParserError, "unexpected reply: #{line}"
          end
          true
        end

        # Data that arrived together with the last reply cannot be the reply to a command that its block sends. It may
        # be an error, if commands without a reply were sent.
        def finish(request, outcome)
          @early = @requests.empty? && !@unanswered && @position < @buffer.bytesize
          request.finish(outcome)
        end

        def receive_error(line)
          raise ParserError, "an error may belong to more than one command: #{line}" if @requests.first&.ambiguous
          raise ParserError, "an error without a command: #{line}" if @requests.empty? && !@unanswered

          request = @requests.shift
          @owner.__send__(:receive_error, line)
        ensure
          request&.give_up
        end

        # Appends data in such a way that the beginning of a long value is not copied again with each piece.
        # @param data [String] not shared with the caller
        def keep(data)
          if @position == @buffer.bytesize
            @buffer = data
          else
            @buffer = @buffer.byteslice(@position..) if @position.positive?
            @buffer << data
          end
          @position = 0
        end
      end
      private_constant :Replies
    end
  end
end
