# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# usage: em_synchrony.rb port
#
# What em-synchrony makes of callbacks: calls that wait, in fibers. The port is of an HTTP server.

require "em-synchrony"
require "em-synchrony/em-http"

URL = "http://127.0.0.1:#{ARGV[0]}/"

EventMachine.synchrony do
  started = EventMachine.current_time
  EventMachine::Synchrony.sleep(0.02)
  puts "slept: #{EventMachine.current_time - started >= 0.02}"

  work = EventMachine::DefaultDeferrable.new
  EventMachine.add_timer(0.01) { work.succeed(:done) }
  puts "waited for: #{EventMachine::Synchrony.sync(work)}"

  failing = EventMachine::DefaultDeferrable.new
  EventMachine.next_tick { failing.fail(:broken) }
  puts "failed with: #{EventMachine::Synchrony.sync(failing)}"

  puts "http: #{EventMachine::HttpRequest.new(URL).get.response_header.status}"

  multi = EventMachine::Synchrony::Multi.new
  3.times { |i| multi.add(:"request#{i}", EventMachine::HttpRequest.new(URL).aget) }
  puts "multi: #{multi.perform.responses[:callback].size}"

  results = EventMachine::Synchrony::Iterator.new((1..10).to_a, 3).map do |number, iterator|
    EventMachine.add_timer(0.001) { iterator.return(number * number) }
  end
  puts "iterator: #{results.inspect}"

  pool = EventMachine::Synchrony::ConnectionPool.new(size: 2) { EventMachine::HttpRequest.new(URL) }
  puts "pool: #{pool.get.response_header.status}"
  EventMachine.stop
end
