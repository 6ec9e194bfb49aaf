# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# usage: ruby -Ilib examples/ruby/spawn.rb
#
# Spawned processes that send messages to each other: ping and pong, and one that replaces its block as it runs.

require "eventmachine"

EventMachine.run do
  pong = EventMachine.spawn do |ball, sender|
    puts "pong #{ball}"
    sender.notify(ball + 1, self)
  end

  traffic_light = EventMachine.spawn do
    puts "red"
    EventMachine.yield_and_notify do
      puts "amber"
      EventMachine.yield { |say| puts "green: #{say}" }
    end
  end

  ping = EventMachine.spawn do |ball, partner|
    puts "ping #{ball}"
    if ball < 6
      partner.notify(ball + 1, self)
    else
      traffic_light.notify("go")
      EventMachine.next_tick { EventMachine.stop }
    end
  end

  traffic_light.notify
  ping.notify(0, pong)
end
