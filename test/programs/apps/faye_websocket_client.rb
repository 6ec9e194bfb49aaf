# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# usage: ruby faye_websocket_client.rb URL
#
# Sends a text message and a large binary message to an echo server, then asks it to close.

require "faye/websocket"

DATA = (0..255).to_a.cycle.first(3_000_000).freeze

EM.run do
  socket = Faye::WebSocket::Client.new(ARGV.fetch(0))
  socket.on(:open) do
    puts "open"
    socket.send("hello")
  end
  socket.on(:message) do |event|
    if event.data.is_a?(String)
      puts event.data
      socket.send(DATA)
    else
      puts "binary #{event.data.size} #{event.data == DATA}"
      socket.send("close")
    end
  end
  socket.on(:close) do |event|
    puts "closed #{event.code} #{event.reason}"
    EM.stop
  end
end
