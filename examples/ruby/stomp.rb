# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# usage: ruby -Ilib examples/ruby/stomp.rb [HOST [PORT]]
#
# Subscribes to a queue, publishes to it and prints the messages that arrive. Without a broker as an argument, it starts
# a small one that sends every message to every client.

require "eventmachine"

# A broker's frames look the same in both directions, so the client's parser reads them.
module SmallBroker
  include EM::P::Stomp

  def receive_msg(message)
    case message.command
    when "CONNECT" then send_frame("CONNECTED", session: signature)
    when "SEND" then send_frame("MESSAGE", { destination: message.header["destination"] }, message.body)
    end
  end
end

class Reader < EM::Connection
  include EM::P::Stomp

  NEWS = ["first things first", "and now the weather", "good night"].freeze

  def connection_completed
    connect(login: "guest", passcode: "guest")
  end

  def receive_msg(message)
    case message.command
    when "CONNECTED" then publish
    when "MESSAGE" then read(message.body)
    when "ERROR" then warn("the broker says: #{message.header['message']}")
    end
  end

  def unbind(reason = nil)
    super
    puts reason ? "no broker: #{reason}" : "disconnected"
    EM.stop
  end

  private

  def publish
    subscribe("/queue/news")
    NEWS.each { |line| send("/queue/news", line) }
  end

  def read(line)
    puts line
    disconnect if line == NEWS.last
  end
end

EM.run do
  host = ARGV.fetch(0, "127.0.0.1")
  port = ARGV.empty? ? Socket.unpack_sockaddr_in(EM.get_sockname(EM.start_server(host, 0, SmallBroker))).first : ARGV.fetch(1, 61_613)
  EM.connect(host, Integer(port), Reader)
end
