# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "em/streaming"

module EventMachine
  # Sends a file over a connection, piece by piece as the peer takes it.
  #
  # A {Deferrable}: it succeeds, without arguments, once all data is handed to the connection, which is before the peer
  # has received it. It fails with a String if the file cannot be read, if it shrinks while it is being sent, or if the
  # connection closes. A small file is sent, and any error of opening is reported, before the constructor returns.
  #
  #   connection.stream_file_data("page.html").callback { connection.close_connection_after_writing }
  class FileStreamer
    include Streaming

    # Files of up to this many bytes are sent at once.
    MappingThreshold = 16_384

    # The streamer waits while the connection has more unsent bytes than this.
    BackpressureLevel = 50_000

    # The number of bytes that are read and sent at a time.
    ChunkSize = 16_384

    # @param connection [#send_data, #get_outbound_data_size]
    # @param filename [String]
    # @param args [Hash] options
    # @option args [Boolean] :http_chunks (false) whether to send the data as HTTP/1.1 chunks
    def initialize(connection, filename, args = {})
      @connection = connection
      @http_chunks = args[:http_chunks]
      @position = 0
      open_file(filename) { |reason| return give_up(reason) }
      stream_pieces
    end

    private

    # With NONBLOCK, opening a FIFO does not wait for its other end.
    def open_file(filename)
      @file = File.open(filename, File::RDONLY | File::NONBLOCK | File::BINARY)
      stat = @file.stat
      yield "not a regular file: #{filename}" unless stat.file?
      @size = stat.size
    rescue Errno::ENOENT, Errno::ENOTDIR
      yield "file not found"
    rescue SystemCallError, ArgumentError => e # a name with a NUL
      yield e.message
    end

    def next_piece
      return if @position >= @size

      piece = @file.pread([ChunkSize, @size - @position].min, @position)
      @position += piece.bytesize
      piece
    rescue EOFError
      yield "the file was truncated while it was being sent"
    rescue SystemCallError => e
      yield e.message
    end

    def close_source
      @file&.close
    end

    def under_pressure?
      @size > MappingThreshold && super
    end
  end
end
