#!/usr/bin/env ruby
# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

# Measures how fast HttpClient2 makes pipelined requests. Our engine and the original gem run in turn against one nginx
# on loopback. Prints requests per second and processor time of the client per request for each run, and the medians of
# the ratios. Needs nginx and the original (Debian: nginx-light, ruby-eventmachine).
#
# usage: ruby bench/http_pipelining.rb [ROUNDS [REQUESTS]]

require "json"
require "open3"
require "rbconfig"
require_relative "library"
require_relative "../test/programs/support/nginx"

OUTSTANDING = 1000

# The measured program. It keeps the given number of requests outstanding until all are answered.
class Measured
  def initialize(port, count)
    @port = port
    @left = count
    @answered = 0
    @count = count
  end

  # @return [Hash{Symbol => Float}]
  def run
    EM.run do
      @client = EM::P::HttpClient2.connect("127.0.0.1", @port)
      @wall = now
      @cpu = Library.cpu_us
      OUTSTANDING.times { request }
    end
    { rate: @count / (now - @wall), cpu_us: (Library.cpu_us - @cpu) / @count }
  end

  private

  def request
    return if @left.zero?

    @left -= 1
    request = @client.get("/hello")
    request.callback { answered(request) }
    request.errback { abort "a request failed" }
  end

  def answered(request)
    abort "wrong response: #{request.status}" unless request.content == Nginx::HELLO
    (@answered += 1) == @count ? EM.stop : self.request
  end

  def now
    Process.clock_gettime(Process::CLOCK_MONOTONIC)
  end
end

def measure(library, port, count)
  command = [RbConfig.ruby, __FILE__, "--port", port.to_s, "--library", library, count.to_s]
  output, status = Open3.capture2(*command)
  abort "#{library} failed" unless status.success?
  JSON.parse(output, symbolize_names: true).tap { |result| puts format("%-8s %7.0f requests/s %6.2f us", library, *result.values) }
end

def median(numbers)
  numbers.sort[numbers.size / 2]
end

def compare(rounds, count)
  nginx = Nginx.start
  pairs = Array.new(rounds) { %w[ours original].map { |library| measure(library, nginx.port, count) } }
  puts format("ratio of requests/s: %.2f", median(pairs.map { |ours, original| ours[:rate] / original[:rate] }))
  puts format("ratio of processor time: %.2f", median(pairs.map { |ours, original| original[:cpu_us] / ours[:cpu_us] }))
ensure
  nginx&.finish
end

if ARGV.first == "--port"
  port = ARGV.shift(2).last.to_i
  count = Library.load_by_options(20_000)
  $VERBOSE = nil
  puts JSON.generate(Measured.new(port, count).run)
else
  compare(Integer(ARGV.fetch(0, 9)), Integer(ARGV.fetch(1, 20_000)))
end
