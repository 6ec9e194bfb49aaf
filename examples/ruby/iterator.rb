# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# usage: ruby -Ilib examples/ruby/iterator.rb
#
# Processes many items, a few at a time: each, map and inject, and items from a source instead of a list.

require "eventmachine"

# Simulates a request over the network: its result arrives later.
def look_up(number, &block)
  EventMachine.add_timer(0.01 * rand(1..3)) { block.call(number * number) }
end

def each_of_a_list(after)
  under_way = 0
  foreach = lambda do |number, turn|
    under_way += 1
    look_up(number) do |square|
      puts "each: #{number} squared is #{square}; #{under_way} in progress"
      under_way -= 1
      turn.next
    end
  end
  EventMachine::Iterator.new(1..6, 3).each(foreach, after)
end

def map_of_a_list(after)
  foreach = ->(number, turn) { look_up(number) { |square| turn.return(square) } }
  EventMachine::Iterator.new([5, 3, 1], 3).map(foreach, lambda { |squares|
    puts "map: #{squares.inspect}, in the order of the list"
    after.call
  })
end

def inject_of_a_list(after)
  foreach = ->(sum, number, turn) { look_up(number) { |square| turn.return(sum + square) } }
  EventMachine::Iterator.new(1..3).inject(0, foreach, lambda { |sum|
    puts "inject: the squares' sum is #{sum}"
    after.call
  })
end

def each_of_a_source(after)
  countdown = 3
  source = -> { countdown.zero? ? EventMachine::Iterator::Stop : countdown -= 1 }
  foreach = lambda do |number, turn|
    puts "source: #{number}"
    turn.next
  end
  EventMachine::Iterator.new(source).each(foreach, after)
end

EventMachine.run do
  each_of_a_list(-> { map_of_a_list(-> { inject_of_a_list(-> { each_of_a_source(-> { EventMachine.stop }) }) }) })
end
