# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "em/deferrable"
require "em/piecewise"

module EventMachine
  # Sends a file over a connection, in pieces, as fast as the peer takes them; {Connection#stream_file_data} makes one. A
  # deferrable: it succeeds, without arguments, once the whole file was given to the connection, which is before
  # the peer has it. It fails with a text (String): "file not found"; what the system said of the file;
  # "connection closed"; or "file truncated" if it has become shorter meanwhile.
  #
  #   streamer = EM::FileStreamer.new(connection, "/var/www/index.html")
  #   streamer.callback { connection.close_connection_after_writing }
  #   streamer.errback { |reason| ... }
  class FileStreamer
    include Deferrable
    include Piecewise

    # Files up to this size (bytes) are sent at once, within the constructor.
    MappingThreshold = 16_384
    # While more than this (bytes) waits to be sent the streamer waits, too.
    BackpressureLevel = 50_000
    # The size of a piece, in bytes.
    ChunkSize = 16_384

    # @param connection [Connection]
    # @param filename [String]
    # @param args [Hash]
    # @option args [Boolean] :http_chunks (false) sends the chunks of HTTP/1.1's chunked encoding, with the last, empty one
    def initialize(connection, filename, args = {})
      @connection = connection
      @http_chunks = args[:http_chunks]
      return unless open_file(filename)

      @left <= MappingThreshold ? send_at_once : send_pieces
    end

    private

    # Size and kind are those of the file that was opened, whatever the name stands for by then.
    def open_file(filename)
      @file = File.open(filename, File::RDONLY | File::NONBLOCK | File::BINARY)
      stat = @file.stat
      return give_up("not a regular file") unless stat.file?

      @left = stat.size
    rescue Errno::ENOENT
      give_up("file not found")
    rescue SystemCallError => e
      give_up(e.message)
    end

    def send_at_once
      content = @file.read(@left) || ""
      return give_up("file truncated") if content.bytesize < @left
      return give_up("connection closed") if !content.empty? && send_piece(content) == -1

      complete
    rescue SystemCallError => e
      give_up(e.message)
    end

    def next_piece
      return if @left.zero?

      piece = @file.read([@left, ChunkSize].min)
      raise IOError, "file truncated" unless piece

      @left -= piece.bytesize
      piece
    end

    def close_source
      @file&.close
    end

    def failure_of(error)
      error.message
    end
  end
end
