# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# usage: ruby -Ilib examples/ruby/stream_file.rb
#
# Sends a file of some megabytes to a slow client, and prints the outcome.

require "eventmachine"
require "tempfile"

class Server < EventMachine::Connection
  def initialize(path)
    @path = path
  end

  def post_init
    streamer = stream_file_data(@path)
    streamer.callback { close_connection_after_writing }
    streamer.errback do |reason|
      warn reason
      close_connection
    end
  end
end

class Client < EventMachine::Connection
  def initialize
    @received = 0
    @pauses = 0
  end

  def receive_data(data)
    @received += data.bytesize
    return unless @received / 1_000_000 > @pauses

    @pauses += 1
    pause
    EventMachine.add_timer(0.01) { resume }
  end

  def unbind
    puts "received #{@received} bytes, paused #{@pauses} times"
    EventMachine.stop
  end
end

Tempfile.create("example") do |file|
  file.write("x" * 5_000_000)
  file.flush
  EventMachine.run do
    server = EventMachine.start_server("127.0.0.1", 0, Server, file.path)
    port, = Socket.unpack_sockaddr_in(EventMachine.get_sockname(server))
    EventMachine.connect("127.0.0.1", port, Client)
  end
end
