# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# usage: ruby -Ilib examples/ruby/chat_server.rb [port]
#
# A chat for everybody who comes with netcat or telnet: names, messages to all, messages to one, and commands. It is
# the last step of docs/ruby/getting_started.md.

require "eventmachine"

class ChatClient < EventMachine::Connection
  include EventMachine::Protocols::LineText2

  COMMANDS = { "/help" => :help, "/who" => :who, "/quit" => :quit }.freeze

  def initialize(room)
    @room = room # Hash from names to the clients who have one
  end

  def post_init
    self.max_line_length = 1000
    say "What is your name?"
  end

  def receive_line(line)
    line = line.force_encoding(Encoding::UTF_8).scrub.strip
    if @name.nil? then enter(line)
    elsif (command = COMMANDS[line]) then send(command)
    elsif line.start_with?("@") then tell_one(*line[1..].split(" ", 2))
    elsif !line.empty? then tell_others("#{@name}: #{line}")
    end
  end

  def unbind
    return unless @name

    @room.delete(@name)
    tell_others("#{@name} has left")
  end

  def say(text)
    send_data("#{text}\n")
  end

  private

  def enter(name)
    return say("One word of letters, please.") unless name.match?(/\A[[:alnum:]]{1,20}\z/)
    return say("That name is taken.") if @room.key?(name)

    @room[@name = name] = self
    say "Hello #{name}. /help says what you can do."
    tell_others("#{name} has come")
  end

  def tell_others(text)
    @room.each_value { |client| client.say(text) unless client.equal?(self) }
  end

  def tell_one(name, text = "")
    @room.key?(name) ? @room[name].say("#{@name} (to you): #{text}") : say("Nobody is called #{name}.")
  end

  def help = say("@name text: to one person; /who: who is here; /quit: leave")
  def who = say(@room.keys.join(", "))

  def quit
    say "Goodbye."
    close_connection_after_writing
  end
end

EventMachine.run do
  EventMachine.start_server("127.0.0.1", Integer(ARGV[0] || 8082), ChatClient, {})
end
