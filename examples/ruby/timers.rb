# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# usage: ruby -Ilib examples/ruby/timers.rb
#
# Timers that fire once, repeatedly, or never.

require "eventmachine"

EventMachine.run do
  EventMachine.add_timer(0.05) { puts "once" }

  never = EventMachine::Timer.new(0.1) { puts "never: it is cancelled in time" }
  EventMachine.next_tick { never.cancel }

  count = 0
  periodic = EventMachine.add_periodic_timer(0.1) do
    count += 1
    puts "again: #{count}"
    if count == 3
      periodic.cancel
      EventMachine.stop
    end
  end
end
