# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require_relative "../certificate"
require_relative "../measurement"

module Comparison
  # The cost of a handshake of TLS 1.3: connections that are opened, used for one message and reset, again and again. A
  # subclass defines which certificate, and whether sessions are resumed: {#name}, {#certificate}, {#what}, {#targets},
  # and for resumed ones {#resume?}.
  class TlsHandshake < Measurement
    CONNECTIONS = 100
    WARMUP_SECONDS = 0.3
    CPU = "server_cpu_ns_per_accept"
    RATE = "accepts_per_second"
    RESUMED = "resumed_percent"
    LEAST_RESUMED = Target.at_least(95)
    COLUMNS = ["", "CPU per handshake, µs", "÷ bare epoll", "quartiles", "target", "handshakes/s"].freeze

    def kind
      "tls"
    end

    def paired?
      true
    end

    def seconds_each(_program)
      @seconds + WARMUP_SECONDS + START_AND_END_SECONDS
    end

    def measure(program, _case)
      Server.run(program, @machine, kind, certificate: certificate) do |server|
        server.load(mode: "accept", tls: true, connections: CONNECTIONS, seconds: @seconds, warmup: WARMUP_SECONDS,
                    **(resume? ? { resume: true } : {}))
      end
    end

    def tables
      columns = [*COLUMNS, *(["resumed, %", "target"] if resume?), *before_column]
      [table("TLS, #{what}, #{CONNECTIONS} connections at a time", columns, nil) { |program| row(program) }]
    end

    private

    def resume?
      false
    end

    def row(program)
      cpu_ns, rate = [CPU, RATE].map { |figure| results.median(nil, program, figure) }
      ratio = results.ratio(nil, program, CPU)
      quartiles = results.quartiles(nil, program, CPU)&.map { |value| number(value, 2) }&.join("–") || ""
      [number(cpu_ns && cpu_ns / 1000, 1), number(ratio, 3), quartiles, verdict(targets, program, ratio, "TLS, #{what}"),
       number(rate, 0), *(resumed_cells(program) if resume?), *before_cell(nil, program, CPU, "TLS, #{what}")]
    end

    def resumed_cells(program)
      share = results.median(nil, program, RESUMED)
      [number(share, 1), verdict(targets.transform_values { LEAST_RESUMED }, program, share, "TLS, resumed, %")]
    end
  end
end
