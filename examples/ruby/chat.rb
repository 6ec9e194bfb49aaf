# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# usage: ruby -Ilib examples/ruby/chat.rb [PORT]
#
# The chat server of docs/ruby/getting_started.md. With a port as its argument, it serves there (telnet localhost PORT).
# Otherwise two visitors meet and leave.

require "eventmachine"
require "socket"

class Guest < EventMachine::Connection
  include EventMachine::Protocols::LineText2
  HELP = "/tell NAME TEXT, /help, /quit; everything else goes to everybody"

  def initialize(guests)
    @guests = guests
  end

  def post_init
    puts "#{Socket.unpack_sockaddr_in(get_peername).reverse.join(':')} has connected"
    send_data("Your name?\n")
  end

  def receive_line(line)
    return enter(line) unless @name

    command, name, text = line.split(" ", 3)
    case command
    when "/quit" then close_connection_after_writing
    when "/tell" then tell(@guests[name], text)
    when %r{\A/} then send_data("#{HELP}\n")
    else announce("#{@name}: #{line}\n")
    end
  end

  def unbind
    announce("#{@name} has left\n") if @guests.delete(@name)
  end

  private

  def enter(name)
    return send_data("Another name, please.\n") if @guests.key?(name) || !name.match?(/\A\w{1,20}\z/)

    announce("#{name} has joined\n")
    @guests[@name = name] = self
    send_data("Welcome! #{HELP}\n")
  end

  def tell(guest, text)
    guest ? guest.send_data("#{@name} to you: #{text}\n") : send_data("There is no such guest.\n")
  end

  def announce(text)
    @guests.each_value { |guest| guest.send_data(text) unless guest.equal?(self) }
  end
end

# Prints each line that it receives and replies with its next line; nil means no reply.
class Visitor < EventMachine::Connection
  include EventMachine::Protocols::LineText2
  attr_writer :lines

  def receive_line(line)
    puts "  #{line}"
    (reply = @lines.shift) && send_data("#{reply}\n")
    EventMachine.stop if line.end_with?("has left")
  end
end

EventMachine.run do
  server = EventMachine.start_server("127.0.0.1", Integer(ARGV[0] || 0), Guest, {})
  port = Socket.unpack_sockaddr_in(EventMachine.get_sockname(server)).first
  visit = ->(*lines) { EventMachine.connect("127.0.0.1", port, Visitor) { |visitor| visitor.lines = lines } }
  visit.call("ann", nil, "/tell ben hello") if ARGV.empty?
  EventMachine.add_timer(0.1) { visit.call("ben", "hi, all", "/quit") } if ARGV.empty?
end
