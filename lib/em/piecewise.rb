# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

module EventMachine
  # What {FileStreamer} and {IOStreamer} share: pieces go to the connection until much waits to be sent there, and on in a
  # later turn of the reactor. The class that includes it sets @connection and @http_chunks and defines `next_piece` (String, or
  # nil at the end), `close_source`, and `failure_of(exception)`, what the errbacks get.
  # @private
  module Piecewise
    private

    # The most that is sent before others have their turn, in pieces.
    PIECES_IN_A_TURN = 64
    private_constant :PIECES_IN_A_TURN

    def send_pieces
      PIECES_IN_A_TURN.times do
        return wait_until_drained if congested?

        begin
          piece = next_piece
        rescue StandardError => e
          return give_up(failure_of(e))
        end
        return complete unless piece
        return give_up("connection closed") if send_piece(piece) == -1
      end
      EventMachine.next_tick { send_pieces }
    end

    # @return [Object] what send_data returned last
    def send_piece(piece)
      return @connection.send_data(piece) unless @http_chunks

      @connection.send_data("#{piece.bytesize.to_s(16)}\r\n")
      @connection.send_data(piece)
      @connection.send_data("\r\n")
    end

    def complete
      close_source
      @connection.send_data("0\r\n\r\n") if @http_chunks
      succeed
    end

    def give_up(reason)
      close_source
      fail(reason)
      nil
    end

    # What is not a connection of ours needs nothing but send_data.
    def congested?
      @connection.respond_to?(:get_outbound_data_size) &&
        @connection.get_outbound_data_size > FileStreamer::BackpressureLevel
    end

    def wait_until_drained
      again = -> { send_pieces }
      level = FileStreamer::BackpressureLevel
      return EventMachine.next_tick(again) unless @connection.is_a?(Connection)

      EventMachine.call_when_drained(@connection.signature, level / 2, level, again) or give_up("connection closed")
    end
  end
end
