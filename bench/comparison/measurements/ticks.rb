# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require_relative "../measurement"

module Comparison
  # The processor time of a call by next_tick.
  class Ticks < Measurement
    TARGETS = { "eventmachine-ruby" => Target.at_most(0.8) }.freeze
    COLUMNS = ["", "many queued at once, µs", "target", "each queued by the last, µs", "target"].freeze

    def name
      "ticks"
    end

    def kind
      "ticks"
    end

    def seconds_each(_program)
      1.2
    end

    def measure(program, _case)
      run_alone(program)
    end

    def tables
      [table("next_tick, CPU per call", COLUMNS, nil) do |program|
        %w[queued_us chained_us].flat_map do |figure|
          value = results.median(nil, program, figure)
          [number(value, 3), verdict(TARGETS, program, value, "next_tick, #{figure.delete_suffix('_us')}")]
        end
      end]
    end
  end
end
