# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# usage: ruby -Ilib examples/ruby/threaded_resource.rb
#
# A pool of three blocking resources, each with its own thread. The reactor is not blocked.

require "eventmachine"

# Simulates a driver that blocks its caller.
class Database
  def query(text)
    raise ArgumentError, "cannot parse: #{text}" if text.include?("!")

    sleep 0.05
    text.upcase
  end
end

EventMachine.run do
  databases = Array.new(3) { EventMachine::ThreadedResource.new { Database.new } }
  pool = EventMachine::Pool.new
  databases.each { |database| pool.add(database) }
  ticks = 0
  EventMachine.add_periodic_timer(0.01) { ticks += 1 }

  texts = %w[one two three four five six!]
  open = texts.size
  finished = lambda do |*|
    next unless (open -= 1).zero?

    puts "the reactor was not blocked" if ticks > 2
    databases.each(&:shutdown)
    EventMachine.stop
  end
  texts.each do |text|
    pool.perform do |database|
      answer = database.dispatch { |it| it.query(text) }
      answer.callback { |rows| puts "#{text}: #{rows}" }.errback { |error| puts "#{text}: #{error.message}" }
      answer.completion(finished)
    end
  end
end
