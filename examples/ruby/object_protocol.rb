# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# usage: ruby -Ilib examples/ruby/object_protocol.rb
#
# Ruby objects over a connection: a server that adds numbers and refuses objects that are not plain data.

require "eventmachine"

module Adder
  include EventMachine::Protocols::ObjectProtocol

  def receive_object(numbers)
    return close_connection unless numbers.is_a?(Array) && numbers.all?(Numeric)

    send_object({ sum: numbers.sum, of: numbers })
  end

  # Called before the connection is closed.
  def receive_error(text)
    puts "server: #{text}"
  end
end

module Client
  include EventMachine::Protocols::ObjectProtocol

  def post_init
    send_object([1, 2.5, 2**70])
  end

  def receive_object(answer)
    puts "client: #{answer}"
    send_object([1..3])
  end

  def unbind(_reason = nil)
    EventMachine.stop
  end
end

EventMachine.run do
  server = EventMachine.start_server("127.0.0.1", 0, Adder)
  port, = Socket.unpack_sockaddr_in(EventMachine.get_sockname(server))
  EventMachine.connect("127.0.0.1", port, Client)
end
