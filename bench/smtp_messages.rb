#!/usr/bin/env ruby
# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

# Measures SmtpClient and SmtpServer of one library together, over loopback in one process. Each message has its own
# connection, as in the client. Messages are small (16 lines of 64 bytes), typical of a letter (128 lines), or long
# (1024 lines). Prints one line of JSON. With --compare ROUNDS both libraries run in turn, and the medians of their
# ratios are printed.

require "json"
require "open3"
require "rbconfig"
require_relative "library"

CONCURRENT = 10
LINE = "#{'A line of text such as people write in letters, of 64 bytes...'}\r\n"
SIZES = { "small" => 16, "letter" => 128, "long" => 1024 }.freeze

def serve
  server = Class.new(EM::P::SmtpServer) { define_method(:receive_data_chunk) { |lines| } }
  Socket.unpack_sockaddr_in(EM.get_sockname(EM.start_server("127.0.0.1", 0, server))).first
end

def send_one(message, left, finished)
  return if (left[0] -= 1).negative?

  client = EM::P::SmtpClient.send(message.dup)
  client.callback do
    finished[0] += 1
    finished[0] == finished[1] ? EM.stop : send_one(message, left, finished)
  end
  client.errback { |result| abort "failed: #{result}" }
end

def run(count, lines)
  EM.run do
    message = { host: "127.0.0.1", port: serve, domain: "example.com", from: "ann@example.com", to: "bob@example.com",
                header: { "Subject" => "Lunch" }, body: LINE * lines }
    left = [count]
    finished = [0, count]
    CONCURRENT.times { send_one(message, left, finished) }
  end
end

def measure(count, lines)
  run(count / 10, lines)
  GC.start
  cpu = Library.cpu_us
  clock = Process.clock_gettime(Process::CLOCK_MONOTONIC)
  run(count, lines)
  seconds = Process.clock_gettime(Process::CLOCK_MONOTONIC) - clock
  { cpu_us: (Library.cpu_us - cpu) / count, per_second: count / seconds }
end

def measured(library)
  output, status = Open3.capture2(RbConfig.ruby, __FILE__, "--library", library)
  abort "#{library}: #{status}" unless status.success?
  JSON.parse(output)
end

def median(values)
  values.sort[values.size / 2]
end

# @return [Hash] medians over pairs of one run of ours and one run of the original
def compared(pairs)
  { ours_cpu_us: median(pairs.map { |ours, _| ours["cpu_us"] }).round,
    original_cpu_us: median(pairs.map { |_, original| original["cpu_us"] }).round,
    cpu_ratio: median(pairs.map { |ours, original| original["cpu_us"] / ours["cpu_us"] }).round(2),
    throughput_ratio: median(pairs.map { |ours, original| ours["per_second"] / original["per_second"] }).round(2) }
end

def compare(rounds)
  pairs = Array.new(rounds) { [measured("ours"), measured("original")] }
  SIZES.keys.to_h { |size| [size, compared(pairs.map { |pair| pair.map { |run| run[size] } })] }
end

if ARGV[0] == "--compare"
  puts JSON.pretty_generate(compare(Integer(ARGV.fetch(1, 5))))
else
  count = Library.load_by_options(2000)
  puts JSON.generate(SIZES.transform_values { |lines| measure(count, lines) })
end
