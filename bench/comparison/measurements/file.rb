# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "tempfile"
require_relative "../measurement"

module Comparison
  # The cost of sending a file that is in the page cache: 1 GiB to each of four clients at once.
  class SendFile < Measurement
    BYTES = 1 << 30
    CLIENTS = 4
    TARGETS = { "eventmachine-c" => Target.at_most(1.15), "eventmachine-ruby" => Target.at_most(1.25) }.freeze

    RATE = "gib_per_second"
    CPU = "server_cpu_ms_per_gib"
    MEMORY = "memory_over_idle_bytes"
    COLUMNS = ["", "CPU per GiB, ms", "÷ bare epoll", "target", "memory over idle, KiB", "GiB/s"].freeze

    def name
      "file"
    end

    def kind
      "file"
    end

    def paired?
      true
    end

    def seconds_each(_program)
      3 + START_AND_END_SECONDS
    end

    def measure(program, _case)
      ENV["BENCH_FILE"] = file.path
      Server.run(program, @machine, kind) do |server|
        server.load(mode: "file", bytes: BYTES, connections: CLIENTS)
      end
    end

    def tables
      [table("File, 1 GiB to each of #{CLIENTS} clients", [*COLUMNS, *before_column], nil) { |program| row(program) }]
    end

    private

    # Written, so that it has pages, and read once, so that they are in memory.
    def file
      @file ||= Tempfile.new("bench").tap do |file|
        (BYTES / (1 << 20)).times { file.write("\1" * (1 << 20)) }
        file.flush
      end
    end

    def row(program)
      ratio = results.ratio(nil, program, CPU)
      [number(results.median(nil, program, CPU), 1), number(ratio, 3), verdict(TARGETS, program, ratio, "file"),
       number(results.median(nil, program, MEMORY)&./(1024), 0), number(results.median(nil, program, RATE), 2),
       *before_cell(nil, program, CPU, "file")]
    end
  end
end
