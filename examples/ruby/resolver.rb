# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# usage: ruby -Ilib examples/ruby/resolver.rb [name...]
#
# Looks up names at the same time, without blocking the reactor.

require "eventmachine"
require "em/resolver"

names = ARGV.empty? ? %w[localhost] : ARGV

EventMachine.run do
  pending = names.size
  names.each do |name|
    request = EventMachine::DNS::Resolver.resolve(name)
    request.callback { |addresses| puts "#{name}: #{addresses.join(', ')}" }
    request.errback { |reason| puts "#{name}: #{reason}" }
    finish = proc { EventMachine.stop if (pending -= 1).zero? }
    request.callback(&finish)
    request.errback(&finish)
  end
end
