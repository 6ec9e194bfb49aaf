# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# usage: ruby -Ilib examples/ruby/http_client.rb
#
# A small HTTP server and both HTTP clients. New programs should use the gem em-http-request.

require "eventmachine"
require "socket"

class Shop < EventMachine::Connection
  PRICES = { "/tea" => "3.50", "/coffee" => "4.20" }.freeze

  def receive_data(data)
    (@received ||= +"") << data
    while (request = @received.slice!(/\A.*?\r\n\r\n/m))
      answer(PRICES[request[/ (\S*)/, 1]])
    end
  end

  private

  def answer(price)
    content = price || "we have none"
    send_data("HTTP/1.1 #{price ? '200 OK' : '404 Not Found'}\r\nContent-Length: #{content.bytesize}\r\n\r\n#{content}")
  end
end

# One request, one connection.
def ask_once(port, &done)
  http = EventMachine::P::HttpClient.request(host: "127.0.0.1", port: port, request: "/tea", timeout: 5)
  http.callback do |response|
    puts "tea: #{response[:status]} #{response[:content]}"
    done.call
  end
  http.errback { abort "no response" }
end

# All requests are sent at once; the responses come in the same order.
def ask_for_all(port, names, &done)
  http = EventMachine::P::HttpClient2.connect(host: "127.0.0.1", port: port, timeout: 5)
  left = names.size
  names.each do |name|
    request = http.get("/#{name}")
    request.callback do
      puts "#{name}: #{request.status} #{request.content}"
      done.call if (left -= 1).zero?
    end
    request.errback { abort "no response for #{name}: #{request.internal_error || 'the connection is gone'}" }
  end
end

EventMachine.run do
  server = EventMachine.start_server("127.0.0.1", 0, Shop)
  port = Socket.unpack_sockaddr_in(EventMachine.get_sockname(server)).first
  ask_once(port) do
    ask_for_all(port, %w[tea coffee milk]) { EventMachine.stop }
  end
end
