# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# usage: ruby -Ilib examples/ruby/udp_echo.rb
#
# An echo server over UDP, and a client that asks again until it has an answer, because datagrams may be lost.

require "eventmachine"
require "socket"

module EchoServer
  def receive_data(data)
    _port, host = Socket.unpack_sockaddr_in(get_peername)
    puts "#{host} sends: #{data}"
    send_data("you sent: #{data}") # to the sender
  end
end

class Client < EventMachine::Connection
  def ask(port)
    send_datagram("hello", "127.0.0.1", port)
    @timer = EventMachine.add_timer(0.5) { ask(port) }
  end

  def receive_data(data)
    puts data
    EventMachine.cancel_timer(@timer)
    EventMachine.stop
  end
end

EventMachine.run do
  server = EventMachine.open_datagram_socket("127.0.0.1", 0, EchoServer)
  port, = Socket.unpack_sockaddr_in(server.get_sockname)
  EventMachine.open_datagram_socket("127.0.0.1", 0, Client).ask(port)
end
