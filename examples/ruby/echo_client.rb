# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# usage: ruby -Ilib examples/ruby/echo_client.rb [host [port]]
#
# Talks to the echo server (examples/ruby/echo_server.rb) and stops when the server has closed the connection.

require "eventmachine"

module EchoClient
  def connection_completed
    puts "connected"
    send_data "hello\n"
  end

  def receive_data(data)
    puts data
    send_data "quit\n" unless data.include?("quit")
  end

  def unbind(reason)
    warn "could not talk to the server: #{reason}" if reason
    EventMachine.stop
  end
end

host, port = ARGV
EventMachine.run do
  EventMachine.connect(host || "127.0.0.1", Integer(port || 8081), EchoClient)
end
