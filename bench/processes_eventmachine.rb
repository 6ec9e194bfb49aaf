# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# usage: processes_eventmachine.rb [children]
#
# Child processes in Ruby by popen, one after the other; prints the processor time that this program itself uses for
# each, in microseconds.

require "eventmachine"

class Child < EventMachine::Connection
  class << self
    attr_accessor :left
  end

  def receive_data(_data)
  end

  def unbind
    exit(1) unless get_status.success?
    (self.class.left -= 1).zero? ? EventMachine.stop : EventMachine.popen(%w[/bin/echo text], Child)
  end
end

def processor_time_us
  Process.clock_gettime(Process::CLOCK_PROCESS_CPUTIME_ID, :float_microsecond)
end

children = Child.left = Integer(ARGV.fetch(0, 1000))
begun = processor_time_us
EventMachine.run { EventMachine.popen(%w[/bin/echo text], Child) }
puts format("child_us=%.1f", (processor_time_us - begun) / children)
