#!/usr/bin/env ruby
# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

# Measures gets from a real memcached: 100 in flight all the time, values of 100 bytes. Ours and the original's run in
# alternation, each in a process of its own; prints one line of JSON with the medians and the median of the ratios of gets per second.
#
# usage: bench/memcache_gets.rb [ROUNDS]

require "json"
require "socket"
require_relative "library"

GETS = 100_000
IN_FLIGHT = 100

# One process's part.
class Gets
  def initialize(port)
    @cache = EM::P::Memcache.connect("127.0.0.1", port)
    @asked = @answered = 0
    @cache.callback { @cache.set("key", "x" * 100) { start } }
  end

  private

  def start
    @clock = Process.clock_gettime(Process::CLOCK_MONOTONIC)
    @processor = Library.cpu_us
    IN_FLIGHT.times { ask }
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

def measure(library, port)
  output = IO.popen([RbConfig.ruby, __FILE__, "--measure", library, port.to_s], &:read)
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

if ARGV.first == "--measure"
  Library.load(ARGV[1])
  EM.run { Gets.new(Integer(ARGV[2])) }
else
  with_memcached do |port|
    rounds = Array.new(Integer(ARGV.fetch(0, 9))) { [measure("ours", port), measure("original", port)] }
    ours, original = rounds.transpose
    puts JSON.generate(ours: ours.map { |run| run[:per_second] }.then { |all| median(all) }, original: median(original.map { |run| run[:per_second] }),
                       ratio: median(rounds.map { |a, b| a[:per_second].fdiv(b[:per_second]) }).round(2),
                       cpu_ratio: median(rounds.map { |a, b| b[:cpu_us].fdiv(a[:cpu_us]) }).round(2))
  end
end
