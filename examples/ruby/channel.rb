# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# usage: ruby -Ilib examples/ruby/channel.rb
#
# News for all clients: worker threads push into a channel, and every connected client gets each item. The clients are
# part of the program, so that it runs by itself.

require "eventmachine"

CLIENTS = 3
ITEMS = 6

# A client's connection to the server, which subscribes until it ends.
class Subscriber < EventMachine::Connection
  def initialize(channel)
    super()
    @channel = channel
  end

  def post_init
    @subscription = @channel.subscribe { |item| send_data("#{item}\n") }
  end

  def unbind(_reason)
    @channel.unsubscribe(@subscription)
  end
end

# A client that prints the data that it receives.
class Reader < EventMachine::Connection
  def initialize(name, finished)
    super()
    @name = name
    @finished = finished
    @text = +""
  end

  def receive_data(data)
    @text << data
    return if @text.count("\n") < ITEMS

    @text.each_line { |line| puts "client #{@name}: #{line}" }
    close_connection
    @finished.call
  end
end

EventMachine.run do
  channel = EventMachine::Channel.new
  server = EventMachine.start_server("127.0.0.1", 0, Subscriber, channel)
  port = Socket.unpack_sockaddr_in(EventMachine.get_sockname(server)).first

  reading = CLIENTS
  finished = -> { EventMachine.stop if (reading -= 1).zero? }
  CLIENTS.times { |name| EventMachine.connect("127.0.0.1", port, Reader, name, finished) }

  wait = EventMachine.add_periodic_timer(0.01) do
    next if channel.num_subscribers < CLIENTS

    wait.cancel
    2.times do |worker|
      Thread.new { (ITEMS / 2).times { |number| channel.push("item #{number} of worker #{worker}") } }
    end
  end
end
