# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# usage: ruby -Ilib examples/ruby/tick_loop.rb
#
# Work that is divided into small pieces, one for each turn of the reactor, so that timers and connections are served in
# between.

require "eventmachine"

EventMachine.run do
  numbers = (1..100_000).to_a
  sum = 0
  timers = 0
  EventMachine.add_periodic_timer(0.001) { timers += 1 }

  adding = EventMachine.tick_loop do
    numbers.shift(100).each { |number| sum += number }
    :stop if numbers.empty?
  end

  adding.on_stop do
    puts "the sum is #{sum}"
    turns = 0
    counting = EventMachine.tick_loop { turns += 1 }
    counting.on_stop { EventMachine.stop }
    EventMachine.add_timer(0.1) do
      counting.stop
      puts "#{turns * 10} turns in a second, and #{timers} timers fired"
    end
  end
end
