# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# usage: ruby em_redis.rb CASE PORT [ARGUMENT]
#
# One use of em-redis, whose outcome is printed.

require "em-redis"

# The uses by name.
module Cases
  module_function

  def strings(redis)
    redis.set("name", "value")
    redis.get("name") { |value| puts value }
    redis.get("nothing") { |value| p value }
    redis.set("utf-8", "Grüße")
    redis.get("utf-8") { |value| p value.dup.force_encoding("UTF-8") }
    redis.incr("counter")
    redis.incr("counter", 5) { |value| finish(value) }
  end

  def binary(redis)
    data = (0..255).to_a.pack("C*") * 20_000
    redis.set("data", data)
    redis.get("data") { |value| finish("#{value.bytesize} #{value.b == data}") }
  end

  def lists(redis)
    1000.times { |i| redis.rpush("list", i) }
    redis.list_range("list", 0, -1) { |items| puts items.map(&:to_i) == (0...1000).to_a }
    redis.lpop("list") { |item| finish(item) }
  end

  def pipelined(redis)
    answers = []
    10_000.times do |i|
      redis.set("key #{i}", i)
      redis.get("key #{i}") { |value| finish(answers == (0...10_000).to_a) if (answers << value.to_i).size == 10_000 }
    end
  end

  def error(redis)
    redis.errback { |code| puts "error #{code}" }
    redis.set("text", "no number")
    redis.incr("text") { |value| puts "unexpected: #{value}" }
    redis.get("text") { |value| finish(value) }
  end

  def transaction(redis)
    redis.multi do
      redis.set("a", 1)
      redis.set("b", 2)
    end
    redis.mapped_mget("a", "b") { |values| finish(values.to_a.inspect) }
  end

  # The server closes this connection, and em-redis reconnects after a second.
  def reconnect(redis)
    redis.set("kept", "yes")
    first = redis.signature
    redis.quit
    timer = EM.add_periodic_timer(0.01) do
      next if redis.signature == first

      timer.cancel
      redis.callback { redis.get("kept") { |value| finish(value) } }
    end
  end

  # A second thread uses the connection.
  def thread(redis)
    Thread.new { redis.get("nothing") { finish(EM.reactor_thread?) } }
  end

  def finish(text)
    puts text
    EM.stop
  end
end

name, port, password = ARGV

EM.run do
  redis = EM::Protocols::Redis.connect(host: "127.0.0.1", port: Integer(port), password: password)
  redis.callback { Cases.public_send(name, redis) }
end
