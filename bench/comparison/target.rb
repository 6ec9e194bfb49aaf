# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

module Comparison
  # A limit that one of our figures must not exceed or fall below.
  class Target
    def self.at_most(limit)
      new(limit, "≤", :<=)
    end

    def self.at_least(limit)
      new(limit, "≥", :>=)
    end

    # @param comparison [Symbol] the method of Float that returns true for a figure that meets the target
    def initialize(limit, sign, comparison)
      @limit = limit
      @sign = sign
      @comparison = comparison
    end

    # @param figure [Float]
    def met?(figure)
      figure.public_send(@comparison, @limit)
    end

    def to_s
      "#{@sign} #{@limit}"
    end
  end

  # A target and the figure that was measured for it.
  Verdict = Struct.new(:subject, :target, :figure) do
    def met?
      target.met?(figure)
    end

    # @return [String] for a cell of a table
    def cell
      "#{target}: #{met? ? 'met' : 'missed'}"
    end

    def to_s
      "#{subject}: #{figure.round(3)}, target #{cell}"
    end
  end
end
