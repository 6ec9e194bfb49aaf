# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# The same as em_websocket.rb on faye-websocket within thin, and an event stream at /events.

require "faye/websocket"

$stdout.sync = true

Faye::WebSocket.load_adapter("thin")

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

events = lambda do |env|
  source = Faye::EventSource.new(env)
  3.times { |i| EM.add_timer(0.01 * i) { source.send("number #{i}") } }
  source.rack_response
end

run ->(env) { Faye::WebSocket.websocket?(env) ? websocket.call(env) : events.call(env) }
