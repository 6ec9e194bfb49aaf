#!/usr/bin/env ruby
# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

# The echo server with TLS in plain Ruby: a thread for each connection, and the openssl library over blocking sockets.

require "openssl"
require_relative "library"
port, certificate, key = Library.tls_arguments

BUFFER_BYTES = 16_384

def echo(connection)
  connection.accept
  buffer = String.new(capacity: BUFFER_BYTES)
  connection.write(buffer) while connection.readpartial(BUFFER_BYTES, buffer)
rescue EOFError, SystemCallError, OpenSSL::SSL::SSLError
  nil
ensure
  connection.close
end

Library.raise_descriptor_limit
context = OpenSSL::SSL::SSLContext.new
context.add_certificate(OpenSSL::X509::Certificate.new(File.read(certificate)),
                        OpenSSL::PKey.read(File.read(key)))
server = TCPServer.new("127.0.0.1", port)
server.listen(4096)
loop do
  socket = server.accept
  socket.setsockopt(Socket::IPPROTO_TCP, Socket::TCP_NODELAY, 1)
  connection = OpenSSL::SSL::SSLSocket.new(socket, context)
  connection.sync_close = true
  connection.sync = true
  Thread.new(connection) { |accepted| echo(accepted) }
end
