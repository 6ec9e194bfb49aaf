#!/usr/bin/env ruby
# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

# Measures gets from a real memcached, one key each, with values of 100 bytes. The line of JSON states how many requests
# are always in flight. Ours and the original run in turn, each in its own process. The medians are of gets per second
# and of the ratios of those and of processor time.
#
# usage: bench/memcache_gets.rb [ROUNDS]

require "json"
require "socket"
require_relative "library"

GETS = 100_000
IN_FLIGHT = [100, 1000].freeze

# The work of one process.
class Gets
  def initialize(port, in_flight)
    @in_flight = in_flight
    @cache = EM::P::Memcache.connect("127.0.0.1", port)
    @asked = @answered = 0
    @cache.callback { @cache.set("key", "x" * 100) { start } }
  end

  private

  def start
    @clock = Process.clock_gettime(Process::CLOCK_MONOTONIC)
    @processor = Library.cpu_us
    @in_flight.times { ask }
  end

  def ask
    @asked += 1
    @cache.get("key") do |value|
      abort "wrong value" unless value.bytesize == 100
      (@answered += 1) == GETS ? finish : (ask if @asked < GETS)
    end
  end

  def finish
    seconds = Process.clock_gettime(Process::CLOCK_MONOTONIC) - @clock
    puts JSON.generate(per_second: (GETS / seconds).round, cpu_us: (Library.cpu_us - @processor) / GETS)
    EM.stop
  end
end

def median(values)
  values.sort[values.size / 2]
end

def measure(library, port, in_flight)
  output = IO.popen([RbConfig.ruby, __FILE__, "--measure", library, port.to_s, in_flight.to_s], &:read)
  abort "#{library} failed" unless $?.success?
  JSON.parse(output, symbolize_names: true)
end

def with_memcached
  port = TCPServer.open("127.0.0.1", 0) { |socket| socket.local_address.ip_port }
  pid = spawn("memcached", "-u", "nobody", "-l", "127.0.0.1", "-p", port.to_s, "-U", "0")
  begin
    TCPSocket.new("127.0.0.1", port).close
  rescue Errno::ECONNREFUSED
    retry
  end
  yield port
ensure
  Process.kill(:KILL, pid)
  Process.wait(pid)
end

def compare(port, in_flight, count)
  rounds = Array.new(count) { %w[ours original].map { |library| measure(library, port, in_flight) } }
  ours, original = rounds.transpose.map { |runs| median(runs.map { |run| run[:per_second] }) }
  {
    in_flight: in_flight, ours: ours, original: original,
    ratio: median(rounds.map { |a, b| a[:per_second].fdiv(b[:per_second]) }).round(2),
    cpu_ratio: median(rounds.map { |a, b| b[:cpu_us].fdiv(a[:cpu_us]) }).round(2)
  }
end

if ARGV.first == "--measure"
  Library.load(ARGV[1])
  EM.run { Gets.new(Integer(ARGV[2]), Integer(ARGV[3])) }
else
  count = Integer(ARGV.fetch(0, 9))
  with_memcached { |port| IN_FLIGHT.each { |in_flight| puts JSON.generate(compare(port, in_flight, count)) } }
end
