# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# usage: ruby -Ilib examples/ruby/queue.rb
#
# A queue of jobs: threads push them, and three workers on the reactor's thread take one at a time.

require "eventmachine"

JOBS = 9

EventMachine.run do
  queue = EventMachine::Queue.new
  left = JOBS

  worker = lambda do |name|
    queue.pop do |job|
      # Work that takes time without blocking the reactor; then the next job.
      EventMachine.add_timer(0.05) do
        puts "worker #{name}: #{job}"
        (left -= 1).zero? ? EventMachine.stop : worker.call(name)
      end
    end
  end
  %w[a b c].each { |name| worker.call(name) }
  puts "#{queue.num_waiting} workers are waiting"

  3.times do |producer|
    Thread.new do
      (JOBS / 3).times { |number| queue.push("job #{number} of thread #{producer}") }
    end
  end
end
