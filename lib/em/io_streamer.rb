# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "em/streamer"

module EventMachine
  # Sends the content of an IO, or of an object like one, over a connection, piece by piece as the peer takes it.
  #
  # A {Deferrable}: it succeeds, without arguments, once all data is handed to the connection. It fails with the
  # exception that the IO raised, or with a String if the connection closes. Reading may block the reactor. The IO is
  # not closed.
  #
  #   EM::IOStreamer.new(connection, StringIO.new(page)).callback { connection.close_connection_after_writing }
  class IOStreamer
    include Streaming

    # The number of bytes that are read and sent at a time.
    CHUNK_SIZE = 16_384

    # Starts sending.
    # @param connection [#send_data] also `get_outbound_data_size`, so that the streamer can wait for slow peers
    # @param io [#eof?, #read] `read` is called with a length and a buffer
    # @param opts [Hash] options
    # @option opts [Boolean] :http_chunks (false) whether to send the data as HTTP/1.1 chunks
    def initialize(connection, io, opts = {})
      @connection = connection
      @io = io
      @http_chunks = opts[:http_chunks]
      prepare { |error| return give_up(error) }
      stream_pieces
    end

    private

    def prepare
      @io.binmode if @io.respond_to?(:binmode)
    rescue StandardError => e
      yield e
    end

    def next_piece
      return if @io.eof?

      piece = @io.read(CHUNK_SIZE, String.new)
      piece unless piece.nil? || piece.empty?
    rescue StandardError => e
      yield e
    end
  end
end
