# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

module EventMachine
  # The largest file that {send_file_data} takes, in bytes.
  LARGEST_FILE_DATA = 32_768
  private_constant :LARGEST_FILE_DATA

  # @see Connection#send_file_data
  # @param signature [Integer] a connection's
  # @return [0]
  def self.send_file_data(signature, filename)
    raise TypeError, "no implicit conversion of #{filename.class} into String" unless String.try_convert(filename)

    data = read_file_data(filename)
    raise "File too large.  send_file_data() supports files under 32k." if data.bytesize > LARGEST_FILE_DATA

    send_data(signature, data, data.bytesize)
    0
  rescue SystemCallError => e
    raise IOError, ": #{filename} #{e.class.new.message}"
  end

  # Reads at most one byte more than may be sent. Opening a pipe does not wait for its other end.
  private_class_method def self.read_file_data(filename)
    File.open(filename, File::RDONLY | File::NONBLOCK | File::BINARY) do |file|
      raise IOError, ": #{filename} Not a regular file" unless file.stat.file? || file.stat.directory?

      file.read(LARGEST_FILE_DATA + 1) || ""
    end
  end

  class Connection
    # Sends a small file after everything that was sent before. It is read at once, which may block the reactor.
    # @param filename [String]
    # @return [0] even if the connection is gone
    # @raise [IOError] if the file cannot be read
    # @raise [RuntimeError] if the file has more than 32768 bytes
    # @raise [TypeError] if the name is not a String
    def send_file_data(filename)
      EventMachine.send_file_data(@signature, filename)
    end

    # Sends a file of any size after everything that was sent before, piece by piece as the peer takes it.
    # @param filename [String]
    # @param args [Hash] options
    # @option args [Boolean] :http_chunks (false) whether to send it in HTTP/1.1 chunks
    # @return [FileStreamer] a {Deferrable}, which succeeds once the connection has all of it
    def stream_file_data(filename, args = {})
      FileStreamer.new(self, filename, args)
    end
  end
end
