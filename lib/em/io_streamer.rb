# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "em/deferrable"
require "em/piecewise"
require "em/streamer"

module EventMachine
  # Sends what an IO gives over a connection, in pieces, as fast as the peer takes them. A deferrable: it succeeds, without
  # arguments, once everything was given to the connection. It fails with the exception that the IO raised, or with
  # "connection closed" (String). The IO is not closed. Reading from it may block the reactor.
  #
  #   EM::IOStreamer.new(connection, StringIO.new(text)).callback { connection.close_connection_after_writing }
  class IOStreamer
    include Deferrable
    include Piecewise

    # The size of a piece, in bytes.
    CHUNK_SIZE = 16_384

    # @param connection [Connection, #send_data]
    # @param io [#eof?, #read] is put into binary mode, if it has one
    # @param opts [Hash]
    # @option opts [Boolean] :http_chunks (false) sends the chunks of HTTP/1.1's chunked encoding, with the last, empty one
    def initialize(connection, io, opts = {})
      @connection = connection
      @io = io
      @http_chunks = opts[:http_chunks]
      @io.binmode if @io.respond_to?(:binmode)
      send_pieces
    end

    private

    def next_piece
      @io.read(CHUNK_SIZE, +"") unless @io.eof?
    end

    def close_source
    end

    def failure_of(error)
      error
    end
  end
end
