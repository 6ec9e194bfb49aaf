# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# usage: ruby -Ilib examples/ruby/pool.rb
#
# Six pieces of work share two resources. A resource whose work fails is replaced.

require "eventmachine"

# Simulates a connection to a server that is slow and sometimes fails.
class Resource
  @made = 0

  class << self
    attr_accessor :made
  end

  attr_reader :name

  def initialize
    @name = "resource #{self.class.made += 1}"
  end

  def double(number)
    result = EventMachine::DefaultDeferrable.new
    EventMachine.add_timer(0.02) { number == 2 ? result.fail : result.succeed(number * 2) }
    result
  end
end

EventMachine.run do
  pool = EventMachine::Pool.new
  2.times { pool.add(Resource.new) }
  pool.on_error do |resource|
    puts "#{resource.name} is broken"
    pool.add(Resource.new)
  end

  open = 6
  finished = ->(*) { EventMachine.stop if (open -= 1).zero? }
  6.times do |number|
    pool.perform do |resource|
      answer = resource.double(number)
      answer.callback { |double| puts "#{resource.name}: 2 * #{number} = #{double}" }
      answer.callback(&finished).errback(&finished)
    end
  end
  puts "#{pool.num_waiting} of 6 are waiting"
end
