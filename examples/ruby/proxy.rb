# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# usage: ruby -Ilib examples/ruby/proxy.rb
#
# A proxy: what a client and the server behind the proxy send to each other is relayed without coming to Ruby. A client
# asks an echo server through it, and the proxy reports how many bytes it has relayed.

require "eventmachine"

module Echo
  def receive_data(data)
    send_data(data)
  end
end

# The proxy's connection to the server.
class Upstream < EventMachine::Connection
  def initialize(client)
    @client = client
  end

  def post_init
    proxy_incoming_to(@client, 64 * 1024)
  end

  def unbind
    @client.close_connection_after_writing
  end
end

# The proxy's connection to a client.
class Relay < EventMachine::Connection
  def initialize(port)
    @port = port
  end

  def post_init
    @upstream = EventMachine.connect("127.0.0.1", @port, Upstream, self)
    proxy_incoming_to(@upstream, 64 * 1024)
  end

  def unbind
    puts "relayed: #{get_proxied_bytes} bytes there, #{@upstream.get_proxied_bytes} bytes back"
    @upstream.close_connection_after_writing
    EventMachine.stop
  end
end

class Client < EventMachine::Connection
  def post_init
    send_data("hello through the proxy")
  end

  def receive_data(data)
    puts "the client receives: #{data}"
    close_connection
  end
end

def port_of(server)
  Socket.unpack_sockaddr_in(EventMachine.get_sockname(server)).first
end

EventMachine.run do
  echo = EventMachine.start_server("127.0.0.1", 0, Echo)
  proxy = EventMachine.start_server("127.0.0.1", 0, Relay, port_of(echo))
  EventMachine.connect("127.0.0.1", port_of(proxy), Client)
end
