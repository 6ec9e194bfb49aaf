# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# usage: ruby -Ilib examples/ruby/unix_chat.rb
#
# A chat over a Unix-domain socket: the room passes every line on to all other guests. Two guests meet and leave.

require "eventmachine"
require "tmpdir"

class Room
  def initialize
    @guests = []
  end

  def enter(guest)
    @guests << guest
  end

  def leave(guest)
    @guests.delete(guest)
    EventMachine.stop if @guests.empty?
  end

  def tell_others(speaker, line)
    @guests.each { |guest| guest.send_data(line) unless guest.equal?(speaker) }
  end
end

class Seat < EventMachine::Connection
  def initialize(room)
    @room = room
    @room.enter(self)
  end

  def receive_data(data)
    @room.tell_others(self, data)
  end

  def unbind
    @room.leave(self)
  end
end

class Guest < EventMachine::Connection
  def initialize(name)
    @name = name
  end

  def receive_data(data)
    puts "#{@name} receives: #{data}"
    send_data("#{@name}: hello to you, too\n") if data.end_with?("anybody here?\n")
    close_connection_after_writing
  end
end

Dir.mktmpdir do |folder|
  path = File.join(folder, "room")
  EventMachine.run do
    EventMachine.start_unix_domain_server(path, Seat, Room.new)
    EventMachine.connect_unix_domain(path, Guest, "Ann")
    ben = EventMachine.connect_unix_domain(path, Guest, "Ben")
    EventMachine.add_timer(0.1) { ben.send_data("Ben: anybody here?\n") }
  end
end
