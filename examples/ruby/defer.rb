# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# usage: ruby -Ilib examples/ruby/defer.rb
#
# Blocking work on the threads of the pool, while the reactor continues.

require "eventmachine"

EventMachine.run do
  ticks = 0
  EventMachine.add_periodic_timer(0.02) { ticks += 1 }

  work = lambda do
    sleep 0.2
    6 * 7
  end
  done = lambda do |answer|
    puts "the answer is #{answer}"
    puts "the reactor was not blocked" if ticks > 2
    EventMachine.defer(-> { raise "no luck" }, nil, lambda { |error|
      puts "failed: #{error.message}"
      EventMachine.stop
    })
  end
  EventMachine.defer(work, done)
end
