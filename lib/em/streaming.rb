# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "em/deferrable"

module EventMachine
  # Shared by {FileStreamer} and {IOStreamer}: sends pieces, optionally as HTTP/1.1 chunks, as long as the connection
  # does not have too much unsent data. A class that includes this module defines `next_piece`.
  # @private
  module Streaming
    include Deferrable

    # The most pieces that are sent in one turn of the reactor.
    PIECES_IN_A_TURN = 64
    private_constant :PIECES_IN_A_TURN

    private

    # @!method next_piece
    #   @return [String, nil] the next piece, not empty; nil at the end
    #   @yieldparam reason [Object] why reading failed

    def stream_pieces
      PIECES_IN_A_TURN.times do
        return wait if under_pressure?

        piece = next_piece { |reason| return give_up(reason) }
        return conclude unless piece
        return give_up("the connection is closed") unless deliver(piece)
      end
      EventMachine.next_tick { stream_pieces }
    rescue Exception # from the connection or a callback
      close_source
      raise
    end

    def deliver(piece)
      return taken?(piece) unless @http_chunks

      taken?("#{piece.bytesize.to_s(16)}\r\n") && taken?(piece) && taken?("\r\n")
    end

    def conclude
      return give_up("the connection is closed") if @http_chunks && !taken?("0\r\n\r\n")

      close_source
      succeed
    end

    def give_up(reason)
      close_source
      fail(reason)
    end

    # Called when reading has ended.
    def close_source
    end

    # A connection takes nothing if it is gone (-1) or about to close (0). Other objects' `send_data` may return
    # anything.
    def taken?(data)
      sent = @connection.send_data(data)
      !sent.is_a?(Integer) || sent.positive?
    end

    def under_pressure?
      waiting_bytes > FileStreamer::BackpressureLevel
    end

    def waiting_bytes
      @connection.respond_to?(:get_outbound_data_size) ? @connection.get_outbound_data_size : 0
    end

    # Waits until the peer has taken half of the unsent data, or the connection has ended. An object that is not a
    # {Connection} is polled in each turn.
    def wait
      again = -> { stream_pieces }
      return EventMachine.next_tick(again) unless @connection.is_a?(Connection)

      level = FileStreamer::BackpressureLevel
      EventMachine.call_when_drained(@connection.signature, level / 2, level, again) or give_up("the connection is closed")
    end
  end
end
