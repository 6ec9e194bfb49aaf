# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "em/streaming"

module EventMachine
  # Sends a file over a connection, piece by piece as the peer takes it.
  #
  # A {Deferrable}: it succeeds, without arguments, once the connection has all of it, which is before the peer has; and
  # fails with a text if the file cannot be read, shrinks meanwhile, or the connection closes. A small file is sent, and
  # any error of opening reported, before the constructor returns.
  #
  #   connection.stream_file_data("page.html").callback { connection.close_connection_after_writing }
  class FileStreamer
    include Streaming

    # Files of up to so many bytes are sent at once.
    MappingThreshold = 16_384

    # More bytes than this waiting in the connection make the streamer wait.
    BackpressureLevel = 50_000

    # Bytes that are read and sent at a time.
    ChunkSize = 16_384

    # @param connection [#send_data, #get_outbound_data_size]
    # @param filename [String]
    # @param args [Hash] options
    # @option args [Boolean] :http_chunks (false) whether to frame it as chunks of HTTP/1.1
    def initialize(connection, filename, args = {})
      @connection = connection
      @http_chunks = args[:http_chunks]
      @position = 0
      open_file(filename) { |reason| return give_up(reason) }
      stream_pieces
    end

    private

    # Opening does not wait for a pipe's other end.
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
      yield "the file has become shorter"
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
