# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# usage: ruby -Ilib examples/ruby/completion.rb
#
# An operation with custom states: a delivery is sent, then it arrives or is lost.

require "eventmachine"

# Ends in one of two states.
class Delivery < EventMachine::Completion
  def completion_states
    %i[arrived lost]
  end
end

EventMachine.run do
  delivery = Delivery.new
  delivery.stateback(:sent) { |number| puts "parcel #{number} is on its way" }
  delivery.stateback(:arrived) { |number, place| puts "parcel #{number} has arrived: #{place}" }
  delivery.stateback(:lost) { |number| puts "parcel #{number} was lost" }
  delivery.completion { EventMachine.stop }

  # Any thread may change the state; the callbacks run in the reactor.
  Thread.new do
    delivery.change_state(:sent, 17)
    sleep 0.05
    delivery.change_state(:arrived, 17, "at the neighbour's")
  end
end
