# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# usage: ruby em_websocket.rb PORT [CERTIFICATE FILE, KEY FILE]
#
# An echo server on em-websocket, with a command for each way to end a connection.

require "em-websocket"

port, certificate, key = ARGV
options = { host: "127.0.0.1", port: Integer(port) }
options.update(secure: true, tls_options: { cert_chain_file: certificate, private_key_file: key }) if certificate

EM.run do
  EM::WebSocket.run(options) do |socket|
    socket.onopen { |handshake| socket.send("open #{handshake.path}") }
    socket.onclose { |reason| puts "closed #{reason[:code]} #{reason[:was_clean]}" }
    socket.onerror { |error| puts "error #{error.class}" }
    socket.onping { |data| puts "ping #{data}" }
    socket.onbinary { |data| socket.send_binary(data) }
    socket.onmessage { |text| text == "close" ? socket.close(3001, "as asked") : socket.send_text(text) }
  end
end
