#!/usr/bin/env ruby
# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

# The echo server in plain Ruby: a thread for each connection, and blocking sockets.

require_relative "library"
port = Library.port

BUFFER_BYTES = 65_536

def echo(socket)
  buffer = String.new(capacity: BUFFER_BYTES)
  socket.write(buffer) while socket.readpartial(BUFFER_BYTES, buffer)
rescue EOFError, SystemCallError
  nil
ensure
  socket.close
end

Library.raise_descriptor_limit
server = TCPServer.new("127.0.0.1", port)
server.listen(4096)
loop do
  socket = server.accept
  socket.setsockopt(Socket::IPPROTO_TCP, Socket::TCP_NODELAY, 1)
  socket.sync = true
  Thread.new(socket) { |connection| echo(connection) }
end
