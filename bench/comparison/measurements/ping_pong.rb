# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require_relative "../measurement"

module Comparison
  # The time of a round trip when nothing else happens: one connection with one message in flight. Both sides wait in
  # the kernel each time, so this is mostly the cost of waking up.
  class PingPong < Measurement
    SIZE = 64
    WARMUP_SECONDS = 0.1
    TARGETS = { "eventmachine-c" => Target.at_most(1.03) }.freeze

    LATENCY = "p50_us"
    CPU = "server_cpu_ns_per_message"
    COLUMNS = ["", "p50, µs", "÷ bare epoll", "target", "p99, µs", "CPU per message, µs", "÷ bare epoll",
               "target"].freeze

    def name
      "pingpong"
    end

    def paired?
      true
    end

    def seconds_each(_program)
      @seconds + WARMUP_SECONDS + START_AND_END_SECONDS
    end

    def measure(program, _case)
      Server.run(program, @machine, kind) do |server|
        server.load(mode: "echo", size: SIZE, connections: 1, pipeline: 1, seconds: @seconds, warmup: WARMUP_SECONDS)
      end
    end

    def tables
      title = "Ping-pong, one #{SIZE}-byte message on one connection"
      [table(title, [*COLUMNS, *before_column], nil) { |program| row(program) }]
    end

    private

    def row(program)
      latency, slow, cpu_ns = [LATENCY, "p99_us", CPU].map { |figure| results.median(nil, program, figure) }
      latency_ratio, cpu_ratio = [LATENCY, CPU].map { |figure| results.ratio(nil, program, figure) }
      [number(latency, 1), number(latency_ratio, 3), verdict(TARGETS, program, latency_ratio, "ping-pong, p50"),
       number(slow, 1), number(cpu_ns && cpu_ns / 1000, 2), number(cpu_ratio, 3),
       verdict(TARGETS, program, cpu_ratio, "ping-pong, CPU"), *before_cell(nil, program, CPU, "ping-pong, CPU")]
    end
  end
end
