# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require_relative "../measurement"

module Comparison
  # The memory of the server's process per open connection that has nothing to do.
  class Idle < Measurement
    CONNECTIONS = 10_000
    TARGETS = { "eventmachine-c" => Target.at_most(230), "eventmachine-ruby" => Target.at_most(380) }.freeze
    SUBJECT = "bytes per idle connection"

    BYTES = "bytes_per_connection"

    def name
      "idle"
    end

    # Memory differs little from one round to the next.
    def rounds
      [super, 3].min
    end

    def seconds_each(_program)
      1.8
    end

    def measure(program, _case)
      Server.run(program, @machine, kind) { |server| server.load(mode: "idle", connections: CONNECTIONS) }
    end

    def tables
      [memory_table("Memory per idle connection, #{number(CONNECTIONS, 0)} connections", TARGETS, SUBJECT)]
    end

    private

    def memory_table(title, targets, subject)
      table(title, ["", "bytes", "target", *before_column], nil) do |program|
        bytes = results.median(nil, program, BYTES)
        [number(bytes, 0), verdict(targets, program, bytes, subject), *before_cell(nil, program, BYTES, subject)]
      end
    end
  end
end
