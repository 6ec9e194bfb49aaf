# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require_relative "program"

module Comparison
  # The figures of one measurement: for each case and program one Hash of figures per round, nil for a round that
  # failed, each with those of the bare epoll loop that was measured along with it, if any.
  class Results
    Round = Struct.new(:figures, :baseline)

    def initialize
      @rounds = Hash.new { |cases, key| cases[key] = Hash.new { |programs, name| programs[name] = [] } }
    end

    def add(kase, program, figures, baseline = nil)
      @rounds[kase][program.name] << Round.new(figures, baseline)
    end

    # @return [Boolean] whether there is at least one round of it
    def any?(kase, program)
      @rounds[kase][program.name].any?(&:figures)
    end

    # @return [Float, nil] the median of a figure over the rounds
    def median(kase, program, figure)
      middle(@rounds[kase][program.name].map { |round| round.figures && round.figures[figure] })
    end

    # @return [Float, nil] the median of the figure's ratio to the bare epoll loop's, measured right before or after.
    #   Such a
    #   ratio holds where the figure itself drifts with whatever else the machine does.
    def ratio(kase, program, figure)
      return 1.0 if program.name == BASELINE

      middle(@rounds[kase][program.name].map do |round|
        round.figures[figure].to_f / round.baseline[figure] if round.figures && round.baseline
      end)
    end

    private

    def middle(values)
      sorted = values.compact.sort
      return if sorted.empty?

      (sorted[(sorted.size - 1) / 2] + sorted[sorted.size / 2]) / 2.0
    end
  end
end
