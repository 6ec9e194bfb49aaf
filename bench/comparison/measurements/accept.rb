# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require_relative "../measurement"

module Comparison
  # Connections that are opened, used for one message and reset, again and again. The load generator does more work per
  # connection than the server, so the rate shows which servers keep up with it, and the processor time shows what it
  # costs.
  class Accept < Measurement
    CONNECTIONS = 100
    WARMUP_SECONDS = 0.15
    TARGETS = { "eventmachine-c" => Target.at_least(0.95), "eventmachine-ruby" => Target.at_least(0.7) }.freeze

    RATE = "accepts_per_second"
    CPU = "server_cpu_ns_per_accept"
    COLUMNS = ["", "accepts/s", "÷ bare epoll", "target", "CPU per accept, µs", "÷ bare epoll"].freeze

    def name
      "accept"
    end

    def paired?
      true
    end

    def seconds_each(_program)
      @seconds + WARMUP_SECONDS + START_AND_END_SECONDS
    end

    def measure(program, _case)
      Server.run(program, @machine, kind) do |server|
        server.load(mode: "accept", connections: CONNECTIONS, seconds: @seconds, warmup: WARMUP_SECONDS)
      end
    end

    def tables
      title = "Accepting, #{CONNECTIONS} connections at a time, one message on each"
      [table(title, [*COLUMNS, *before_column], nil) { |program| row(program) }]
    end

    private

    def row(program)
      cpu_ns = results.median(nil, program, CPU)
      rate = results.ratio(nil, program, RATE)
      [number(results.median(nil, program, RATE), 0), number(rate, 3), verdict(TARGETS, program, rate, "accepts/s"),
       number(cpu_ns && cpu_ns / 1000, 2), number(results.ratio(nil, program, CPU), 3),
       *before_cell(nil, program, CPU, "CPU per accept")]
    end
  end
end
