# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# The same as faye_websocket.ru in a server that knows nothing of the reactor: puma gives its sockets away, and the
# reactor, which runs in a thread, attaches them.

require "faye/websocket"

$stdout.sync = true

Thread.new { EM.run }
Thread.pass until EM.reactor_running?

websocket = lambda do |env|
  socket = Faye::WebSocket.new(env)
  socket.on(:open) { socket.send("open #{env['PATH_INFO']}") }
  socket.on(:close) { |event| puts "closed #{event.code}" }
  socket.on(:message) do |event|
    data = event.data
    data == "close" ? socket.close(3001, "as asked") : socket.send(data)
  end
  socket.rack_response
end

run ->(env) { Faye::WebSocket.websocket?(env) ? websocket.call(env) : [200, {}, ["connections: #{EM.connection_count}"]] }
