# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require_relative "../measurement"

module Comparison
  # The processor time that a program itself uses for a child process: starting it, reading what it prints, reaping it.
  class Processes < Measurement
    FIGURE = "child_us"
    RATIOS = { "eventmachine-c" => Target.at_most(1.3) }.freeze
    TIMES = { "eventmachine-ruby" => Target.at_most(150) }.freeze
    TITLE = "Child processes one after the other, CPU of the parent per child; C with three pipes, Ruby by popen"

    def name
      "processes"
    end

    def kind
      "processes"
    end

    def paired?
      true
    end

    def seconds_each(_program)
      1.5
    end

    def measure(program, _case)
      run_alone(program)
    end

    def tables
      [table(TITLE, ["", "per child, µs", "target", "÷ bare", "target"], nil) do |program|
        time = results.median(nil, program, FIGURE)
        ratio = results.ratio(nil, program, FIGURE)
        [number(time, 1), verdict(TIMES, program, time, "child processes"),
         number(ratio, 2), verdict(RATIOS, program, ratio, "child processes, beside the bare loop")]
      end]
    end
  end
end
