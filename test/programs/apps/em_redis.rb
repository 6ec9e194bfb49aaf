# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# usage: em_redis.rb port
#
# Asks redis by em-redis for what a program asks it for: values, counters, lists, an error; many commands without waiting.

require "em-redis"

COUNT = 1000

EventMachine.run do
  redis = EventMachine::Protocols::Redis.connect("127.0.0.1", Integer(ARGV[0]))
  redis.errback { |error| puts "error: #{error}" }
  redis.set("name", "w\u00f6rld\r\n$5") { |answer| puts "set: #{answer}" }
  redis.get("name") { |value| puts "get: #{value.b.inspect}" }
  redis.get("nothing") { |value| puts "missing: #{value.inspect}" }
  COUNT.times { redis.incr("counter") }
  redis.get("counter") { |value| puts "counter: #{value}" }
  3.times { |i| redis.rpush("list", "item #{i}") }
  redis.lrange("list", 0, -1) { |values| puts "list: #{values.join(', ')}" }
  redis.incr("name")
  redis.get("counter") do |value|
    puts "after the error: #{value}"
    redis.close_connection
    EventMachine.stop
  end
end
