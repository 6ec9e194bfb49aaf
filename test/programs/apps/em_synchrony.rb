# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# usage: ruby em_synchrony.rb CASE [URL OR PORT OF REDIS]
#
# One use of em-synchrony. It reads like a blocking program, but each call waits in a fiber while the reactor runs.

require "em-synchrony"
require "em-synchrony/em-http"
require "em-synchrony/em-redis"
require "em-synchrony/fiber_iterator"

# The uses by name.
module Cases
  module_function

  def sleeping
    started = Process.clock_gettime(Process::CLOCK_MONOTONIC)
    EM::Synchrony.sleep(0.05)
    puts Process.clock_gettime(Process::CLOCK_MONOTONIC) - started >= 0.05
    puts EM::Synchrony.defer { 6 * 7 }
  end

  def http(url)
    puts EM::HttpRequest.new(url).get.response
    multi = EM::Synchrony::Multi.new
    multi.add(:a, EM::HttpRequest.new(url).aget(query: "a"))
    multi.add(:b, EM::HttpRequest.new(url).aget(query: "b"))
    puts multi.perform.responses[:callback].transform_values(&:response).sort.inspect
  end

  def refused(url)
    puts EM::HttpRequest.new(url).get.error
  end

  def iterators(url)
    answers = EM::Synchrony::Iterator.new(0...10, 3).map do |i, iterator|
      http = EM::HttpRequest.new(url).aget(query: i.to_s)
      http.callback { iterator.return(http.response) }
    end
    puts answers == (0...10).map { |i| "GET #{i}" }
    seen = []
    EM::Synchrony::FiberIterator.new(0...10, 3).each { |i| seen << EM::HttpRequest.new(url).get(query: i.to_s).response }
    puts seen.sort == answers
  end

  def redis(port)
    redis = connect(port)
    redis.set("name", "value")
    puts redis.get("name")
  end

  def connect(port)
    EM::Protocols::Redis.connect(host: "127.0.0.1", port: port)
  end

  # Ten fibers share two connections.
  def pool(port)
    pool = EM::Synchrony::ConnectionPool.new(size: 2) { connect(port) }
    EM::Synchrony::FiberIterator.new(0...10, 10).each { pool.incr("counter") }
    puts pool.get("counter")
  end

  def socket(port)
    socket = EM::Synchrony::TCPSocket.new("127.0.0.1", port)
    socket.write("PING\r\n")
    puts socket.read(7).inspect
    socket.close
  end

  def refused_socket(port)
    EM::Synchrony::TCPSocket.new("127.0.0.1", port)
  rescue SystemCallError => e
    puts e.class
  end

  def mutex
    mutex = EM::Synchrony::Thread::Mutex.new
    order = []
    first = lambda do
      EM::Synchrony.sleep(0.01)
      order << 1
    end
    Fiber.new { mutex.synchronize(&first) }.resume
    mutex.synchronize { order << 2 }
    puts order.inspect
  end
end

EM.synchrony do
  Cases.public_send(*ARGV)
  EM.stop
end
