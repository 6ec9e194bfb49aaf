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

  # Sends a file, or a range of it, after everything that was sent before. This is not in EventMachine 1.x. The system
  # takes the bytes from its page cache (with TLS, the library reads them in pieces), so they never become Strings, and
  # the reactor does not wait for the disk. They are not subject to back-pressure; {Connection#get_outbound_data_size}
  # counts them. What is sent meanwhile follows the file, and {Connection#close_connection_after_writing} waits for it.
  #
  #   EventMachine.send_file(connection, "video.mp4", offset: 1000).callback { |bytes| puts bytes }
  #
  # Exactly the bytes of the range are sent. If the file becomes shorter meanwhile, or cannot be read, the connection
  # ends, and its peer sees a reset.
  # @param connection [Connection]
  # @param file [String, #to_path, IO] a name, or an open file, whose position is neither used nor changed. It may be
  #   closed, removed or replaced as soon as this returns.
  # @param offset [Integer] where the range begins, in bytes
  # @param length [Integer, nil] the number of bytes; nil: up to the end that the file has now
  # @return [DefaultDeferrable] succeeds with the number of bytes once the system has taken all of them; fails with a
  #   reason (String) and the number of bytes that were sent, if the connection has ended before
  # @raise [SystemCallError] if the file cannot be opened
  # @raise [IOError] if it is not a regular file
  # @raise [ArgumentError] if it does not have all of that range
  def self.send_file(connection, file, offset: 0, length: nil)
    return open_to_send(file) { |io| send_file(connection, io, offset: offset, length: length) } unless file.is_a?(IO)

    raise IOError, "not a regular file: #{name_of(file)}" unless file.stat.file?

    offset, length = range_in(file, Integer(offset), length && Integer(length))
    deferrable = DefaultDeferrable.new
    done = ->(reason, bytes) { reason ? deferrable.fail(reason, bytes) : deferrable.succeed(bytes) }
    done.call("the connection is closed", 0) unless send_open_file(connection.signature, file.fileno, offset, length, done)
    deferrable
  end

  # Opening a pipe does not wait for its other end.
  private_class_method def self.open_to_send(name, &block)
    File.open(name, File::RDONLY | File::NONBLOCK | File::BINARY, &block)
  end

  # Only a File has a path in every Ruby.
  private_class_method def self.name_of(file)
    file.is_a?(File) ? file.path : file.inspect
  end

  private_class_method def self.range_in(file, offset, length)
    size = file.stat.size
    raise ArgumentError, "negative length: #{length}" if length&.negative?
    raise ArgumentError, "offset #{offset} is not within the file, which has #{size} bytes" unless offset.between?(0, size)

    length ||= size - offset
    return [offset, length] if offset + length <= size

    raise ArgumentError, "#{length} bytes at offset #{offset} are not within the file, which has #{size} bytes"
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
