# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

module Comparison
  # A table of the report, the same on a terminal and in Markdown. The first column is aligned left, all others right.
  class Table
    # @param title [String]
    # @param columns [Array<String>]
    def initialize(title, columns)
      @title = title
      @columns = columns
      @rows = []
    end

    # @param cells [Array<String, nil>] one for each column; nil for an unknown value
    def add(cells)
      @rows << cells.map { |cell| cell || "–" }
    end

    def empty?
      @rows.empty?
    end

    # @return [String] for a terminal
    def to_text
      lines = [@columns, *@rows].map { |cells| "  #{justify(cells).join('  ')}".rstrip }
      [@title, *lines].join("\n")
    end

    # @return [String] for docs/
    def to_markdown
      rule = @columns.each_with_index.map { |_, i| i.zero? ? ":#{'-' * (widths[i] - 1)}" : "#{'-' * (widths[i] - 1)}:" }
      lines = [justify(@columns), rule, *@rows.map { |cells| justify(cells) }]
      ["#### #{@title}", "", *lines.map { |cells| "| #{cells.join(' | ')} |" }].join("\n")
    end

    private

    def justify(cells)
      cells.each_with_index.map { |cell, i| i.zero? ? cell.ljust(widths[i]) : cell.rjust(widths[i]) }
    end

    def widths
      [@columns, *@rows].transpose.map { |cells| [3, *cells.map(&:length)].max }
    end
  end
end
