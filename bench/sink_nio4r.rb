#!/usr/bin/env ruby
# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

# The sink on nio4r: its selector, and read_nonblock into one buffer.

require_relative "library"
port = Library.port
require "nio"

BUFFER_BYTES = 65_536

Library.raise_descriptor_limit
buffer = String.new(capacity: BUFFER_BYTES)
selector = NIO::Selector.new
server = TCPServer.new("127.0.0.1", port)
server.listen(4096)

discard = lambda do |monitor|
  next if monitor.io.read_nonblock(BUFFER_BYTES, buffer, exception: false)

  monitor.close
  monitor.io.close
end

accept = lambda do |_monitor|
  while (socket = server.accept_nonblock(exception: false)) != :wait_readable
    selector.register(socket, :r).value = discard
  end
end

selector.register(server, :r).value = accept
loop { selector.select { |monitor| monitor.value.call(monitor) } }
