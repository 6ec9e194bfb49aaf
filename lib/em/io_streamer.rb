# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "em/streamer"

module EventMachine
  # Sends what an IO or something like it has, up to its end, over a connection, piece by piece as the peer takes it.
  #
  # A {Deferrable}: it succeeds, without arguments, once the connection has all, and fails with the exception that the
  # IO has raised, or with a text if the connection closes. Reading may block the reactor. The IO is not closed.
  #
  #   EM::IOStreamer.new(connection, StringIO.new(page)).callback { connection.close_connection_after_writing }
  class IOStreamer
    include Streaming

    # Bytes that are read and sent at a time.
    CHUNK_SIZE = 16_384

    # Begins to send.
    # @param connection [#send_data] and, so that the streamer can wait for slow peers, `get_outbound_data_size`
    # @param io [#eof?, #read] `read` gets a length and a buffer
    # @param opts [Hash] options
    # @option opts [Boolean] :http_chunks (false) whether to frame it as chunks of HTTP/1.1
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
