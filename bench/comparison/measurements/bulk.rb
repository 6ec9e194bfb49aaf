# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require_relative "../measurement"

module Comparison
  # The cost of receiving: 1 GiB one way over one connection, to a server that discards it. iperf3 is measured as its
  # users run it, with its own client.
  class Bulk < Measurement
    BYTES = 1 << 30
    IPERF3_SECONDS = 60
    TARGETS = { "eventmachine-c" => Target.at_most(1.1), "eventmachine-ruby" => Target.at_most(1.3),
                "eventmachine-ruby-into" => Target.at_most(1.3) }.freeze

    RATE = "gib_per_second"
    CPU = "server_cpu_ms_per_gib"
    COLUMNS = ["", "CPU per GiB, ms", "÷ bare epoll", "÷ the lower of bare epoll and iperf3", "target", "GiB/s"].freeze

    def name
      "bulk"
    end

    def kind
      "sink"
    end

    def paired?
      true
    end

    # A run is short and mostly waits, so it varies more than the others.
    def rounds
      super * 2
    end

    def seconds_each(_program)
      0.45 + START_AND_END_SECONDS
    end

    def measure(program, _case)
      Server.run(program, @machine, kind) do |server|
        program.name == IPERF3 ? drive_iperf3(server) : server.load(mode: "bulk", bytes: BYTES)
      end
    end

    def tables
      [table("Bulk, 1 GiB one way over one connection", [*COLUMNS, *before_column], nil) { |program| row(program) }]
    end

    private

    # Its client prints how much the server has received.
    def drive_iperf3(server)
      before_ns = server.cpu_ns
      report = server.drive("timeout", IPERF3_SECONDS.to_s, "iperf3", "-c", "127.0.0.1", "-p", server.port.to_s,
                            "-n", BYTES.to_s, "--json")
      received = report.fetch("end").fetch("sum_received")
      gibibytes = received.fetch("bytes").to_f / (1 << 30)
      { CPU => (server.cpu_ns - before_ns) / 1e6 / gibibytes, RATE => gibibytes / received.fetch("seconds") }
    end

    # Ratios compare adjacent runs, so the lower of the two limits is found by iperf3's own ratio to the bare loop.
    def floor
      iperf3 = programs.find { |program| program.name == IPERF3 }
      [1.0, iperf3 && results.ratio(nil, iperf3, CPU)].compact.min
    end

    def row(program)
      ratio = results.ratio(nil, program, CPU)
      to_floor = ratio && (ratio / floor)
      [number(results.median(nil, program, CPU), 1), number(ratio, 3), number(to_floor, 3),
       verdict(TARGETS, program, to_floor, "bulk"), number(results.median(nil, program, RATE), 2),
       *before_cell(nil, program, CPU, "bulk")]
    end
  end
end
