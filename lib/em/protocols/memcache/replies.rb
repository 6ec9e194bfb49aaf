# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

module EventMachine
  module Protocols
    module Memcache
      # The replies of one connection: one queue of all requests that wait for one, and the parser that gives each reply
      # to the request at its head. It never guesses: what the request cannot have asked for is a ParserError.
      class Replies
        VALUE = /\GVALUE ([^ \r\n]+) \d+ (\d+)(?: \d+)?\r\n/n.freeze
        ERROR = /\A(?:ERROR|CLIENT_ERROR|SERVER_ERROR)(?: |\z)/n.freeze
        # Keys have 250 bytes at most, and errors a sentence.
        MAX_LINE_BYTES = 2048

        # @param owner [Memcache] has the limit, and gets each error line
        def initialize(owner)
          @owner = owner
          @requests = []
          @buffer = "".b
          @position = 0
        end

        # @param request [Retrieval, Modification, nil] nil: a command without reply is sent. Errors in its syntax may
        #   be reported nevertheless.
        def expect(request)
          return @unanswered = true unless request

          request.ambiguous = @unanswered
          @unanswered = false
          @requests << request
        end

        # @param data [String]
        # @raise [ParserError]
        def receive(data)
          @buffer = @position == @buffer.bytesize ? data.b : unread.concat(data.b)
          @position = 0
          nil while read_reply
        end

        # Gives up all requests, each once, even if a block raises.
        def abandon
          @buffer = "".b
          @position = 0
          @requests.shift.give_up until @requests.empty?
        ensure
          EventMachine.next_tick { abandon } unless @requests.empty?
        end

        private

        # @return [Boolean] whether there was a whole one
        def read_reply
          return false if @position == @buffer.bytesize

          header = VALUE.match(@buffer, @position)
          return read_value(header[1], Integer(header[2], 10), header.end(0)) if header

          line = read_line
          receive_line(line) if line
          !line.nil?
        end

        def read_value(key, bytes, start)
          raise ParserError, "a value has #{bytes} bytes" if bytes > @owner.max_value_bytes
          return false if @buffer.bytesize < start + bytes + 2
          raise ParserError, "a value does not end where it should" unless @buffer.byteslice(start + bytes, 2) == Cdelimiter

          @position = start + bytes + 2
          waiting.receive_value(key, @buffer.byteslice(start, bytes))
          true
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

        def receive_line(line)
          outcome = @requests.first&.outcome(line)
          return @requests.shift.finish(outcome) unless outcome.nil?
          return receive_error(line) if line.match?(ERROR)

          raise ParserError, "an unexpected reply came: #{line}"
        end

        def receive_error(line)
          raise ParserError, "an error came that may be anyone's: #{line}" if @requests.first&.ambiguous
          raise ParserError, "an error came unasked: #{line}" if @requests.empty? && !@unanswered

          request = @requests.shift
          @owner.__send__(:receive_error, line)
        ensure
          request&.give_up
        end

        def waiting
          @requests.first || raise(ParserError, "a value came unasked")
        end

        def unread
          @buffer.byteslice(@position..)
        end
      end
      private_constant :Replies
    end
  end
end
