# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require_relative "program"

module Comparison
  # The figures of one measurement: for each case and program, one Hash of figures per round, or nil for a round that
  # failed. Each is stored with the figures of the bare epoll loop's runs before and after it, if there are any.
  class Results
    Round = Struct.new(:figures, :baselines) do
      # @return [Float, nil] the figure as a multiple of the mean of both runs of the bare loop, so that a steady
      #   drift over the three runs makes no difference
      def ratio(figure)
        return if figures.nil? || baselines.empty?

        figures[figure] * baselines.size / baselines.sum { |baseline| baseline[figure].to_f }
      end
    end

    def initialize
      @rounds = Hash.new { |cases, key| cases[key] = Hash.new { |programs, name| programs[name] = [] } }
    end

    # @param figures [Hash, nil]
    # @param baselines [Array<Hash, nil>] those of the bare loop's runs before and after it
    def add(kase, program, figures, baselines = [])
      @rounds[kase][program.name] << Round.new(figures, baselines.compact)
    end

    # @return [Boolean] whether there is at least one round of it
    def any?(kase, program)
      @rounds[kase][program.name].any?(&:figures)
    end

    # @return [Float, nil] the median of a figure over the rounds
    def median(kase, program, figure)
      middle(@rounds[kase][program.name].map { |round| round.figures && round.figures[figure] })
    end

    # @return [Float, nil] the median of the figure's ratio to the bare epoll loop's runs before and after it. Such a
    #   ratio is stable even if the figure itself varies with whatever else the machine does.
    def ratio(kase, program, figure)
      program.name == BASELINE ? 1.0 : middle(ratios(kase, program, figure))
    end

    # @return [Array(Float, Float), nil] the limits of the middle half of the rounds' ratios
    def quartiles(kase, program, figure)
      sorted = ratios(kase, program, figure).compact.sort
      [sorted[sorted.size / 4], sorted[-1 - (sorted.size / 4)]] unless sorted.empty?
    end

    # @return [Float, nil] the median of the figure's ratio to another program's in the same round. If the bare loop
    #   ran before and after them, their ratios to it are compared.
    def against(kase, program, other, figure)
      middle(comparable(kase, program, figure).zip(comparable(kase, other, figure)).map do |ours, theirs|
        ours / theirs if ours && theirs
      end)
    end

    private

    def ratios(kase, program, figure)
      @rounds[kase][program.name].map { |round| round.ratio(figure) }
    end

    def comparable(kase, program, figure)
      @rounds[kase][program.name].map do |round|
        round.baselines.empty? ? round.figures && round.figures[figure].to_f : round.ratio(figure)
      end
    end

    def middle(values)
      sorted = values.compact.sort
      return if sorted.empty?

      (sorted[(sorted.size - 1) / 2] + sorted[sorted.size / 2]) / 2.0
    end
  end
end
