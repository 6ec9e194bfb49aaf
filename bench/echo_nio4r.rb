#!/usr/bin/env ruby
# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

# The echo server on nio4r: its selector, and a loop of read_nonblock and write_nonblock. What could not be written is
# stored with the connection, which is then watched only for writing.

require_relative "library"
port = Library.port
require "nio"

# One selector and the connections on it.
class Echo
  BUFFER_BYTES = 65_536

  def initialize(port)
    @buffer = String.new(capacity: BUFFER_BYTES)
    @leftovers = {}
    @selector = NIO::Selector.new
    @server = TCPServer.new("127.0.0.1", port)
    @server.listen(4096)
    @selector.register(@server, :r)
  end

  def run
    loop { @selector.select { |monitor| monitor.io == @server ? accept : serve(monitor) } }
  end

  private

  def accept
    while (socket = @server.accept_nonblock(exception: false)) != :wait_readable
      socket.setsockopt(Socket::IPPROTO_TCP, Socket::TCP_NODELAY, 1)
      @selector.register(socket, :r)
    end
  end

  def serve(monitor)
    monitor.writable? ? write(monitor, @leftovers.delete(monitor)) : read(monitor)
  rescue SystemCallError
    close(monitor)
  end

  def read(monitor)
    case monitor.io.read_nonblock(BUFFER_BYTES, @buffer, exception: false)
    when nil then close(monitor)
    when String then write(monitor, @buffer)
    end
  end

  def write(monitor, data)
    written = monitor.io.write_nonblock(data, exception: false)
    return (monitor.interests = :r if monitor.interests != :r) if written == data.bytesize

    @leftovers[monitor] = data.byteslice((written == :wait_writable ? 0 : written)..)
    monitor.interests = :w
  end

  def close(monitor)
    @leftovers.delete(monitor)
    monitor.close
    monitor.io.close
  end
end

Library.raise_descriptor_limit
Echo.new(port).run
