# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require_relative "../measurement"

module Comparison
  # The processor time of a timer.
  class Timers < Measurement
    C_ADD = { "eventmachine-c" => Target.at_most(0.07) }.freeze
    C_READD = { "eventmachine-c" => Target.at_most(0.25) }.freeze
    C_TITLE = "Timers in C, 1 000 000 pending, CPU per timer"
    C_COLUMNS = ["", "add, µs", "target", "cancel and add again, µs", "target", "cancel, µs", "fire, µs"].freeze

    RUBY_SUM = { "eventmachine-ruby" => Target.at_most(0.8) }.freeze
    RUBY_TITLE = "EM.add_timer in Ruby, 100 000 timers, CPU per timer"
    RUBY_COLUMNS = ["", "add, µs", "fire, µs", "both, µs", "target"].freeze

    def name
      "timers"
    end

    def kind
      "timers"
    end

    def seconds_each(program)
      program.c? ? 2.2 : 1.3
    end

    def measure(program, _case)
      run_alone(program)
    end

    def tables
      c = Table.new(C_TITLE, C_COLUMNS)
      ruby = Table.new(RUBY_TITLE, RUBY_COLUMNS)
      measured(nil).each do |program|
        program.c? ? c.add([program.label, *c_row(program)]) : ruby.add([program.label, *ruby_row(program)])
      end
      [c, ruby]
    end

    private

    def c_row(program)
      add, readd, cancel, fire = medians(program, %w[add_us readd_us cancel_us fire_us])
      [number(add, 3), verdict(C_ADD, program, add, "timers, add"),
       number(readd, 3), verdict(C_READD, program, readd, "timers, cancel and add again"),
       number(cancel, 3), number(fire, 3)]
    end

    def ruby_row(program)
      add, fire, sum = medians(program, %w[add_us fire_us add_and_fire_us])
      [number(add, 2), number(fire, 2), number(sum, 2), verdict(RUBY_SUM, program, sum, "add_timer, add and fire")]
    end

    def medians(program, figures)
      figures.map { |figure| results.median(nil, program, figure) }
    end
  end
end
