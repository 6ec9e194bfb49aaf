# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "open3"

module Comparison
  # Draws processor time per message as bars: a row of panels for C and one for the other languages, a column for each
  # workload. There is no background, and greys and colours are legible on white and on black.
  class Plot
    WIDTH = 1100
    HEAD = 66
    FOOT = 12
    BAR = 27
    GAP = 46
    NAMES = 212
    MARGIN = 12
    # Longer bars are cut and show a gap. Otherwise the few long ones would make all others short.
    LONGEST = 2.5
    CUT = 0.04
    TEXT = "#757d88"
    OURS = "#e8590c"
    BASE = "#757d88"
    PEER = "#4c86c6"
    SUBTITLE = "64-byte echo unless said otherwise; multiples of a bare epoll loop measured beside it, " \
               "less is better; a bar with a gap is longer"
    GROUPS = { "C" => "C", "others" => "Ruby and other languages" }.freeze

    # @param echo [Echo] after it ran
    # @param programs [Array<Program>]
    def initialize(echo, programs)
      @echo = echo
      @groups = GROUPS.to_h { |group, title| [title, rows(programs, group)] }.reject { |_, rows| rows.empty? }
    end

    # @param path [String] of the SVG file
    # @return [String, nil] the error
    def draw(path)
      output, status = Open3.capture2e("gnuplot", stdin_data: script(path))
      output.strip unless status.success?
    rescue SystemCallError => e
      e.message
    end

    # @return [String] the commands for gnuplot
    def script(path)
      [head(path), *panels, "unset multiplot\n"].join("\n")
    end

    private

    # The bare loop is in both groups, because both are measured against it.
    def rows(programs, group)
      measured = programs.select { |program| @echo.cases.all? { |workload| @echo.ratio(workload, program) } }
      chosen = measured.select { |program| program.group == group && program.name != BASELINE }
      chosen.empty? ? [] : [programs.find { |program| program.name == BASELINE }, *chosen].compact
    end

    def height
      HEAD + FOOT + @groups.sum { |_, rows| (rows.size * BAR) + GAP }
    end

    def head(path)
      <<~GNUPLOT
        set terminal svg size #{WIDTH},#{height} dynamic font "Helvetica,Arial,sans-serif,14"
        set output "#{path}"
        set multiplot
        unset key
        unset xtics
        set border 0
        set style fill solid 1 noborder
        #{label(1, "{/:Bold=17 Processor time of the server per message}", 18)}
        #{label(2, SUBTITLE, 42)}
      GNUPLOT
    end

    def panels
      top = HEAD
      @groups.flat_map.with_index do |(title, rows), i|
        top += GAP
        bottom = top + (rows.size * BAR)
        drawn = @echo.cases.each_index.map { |column| panel(i, column, title, rows, top, bottom) }
        top = bottom
        drawn
      end
    end

    # A label at the left edge, the given number of pixels from the top.
    def label(number, text, y)
      place = "screen #{MARGIN.to_f / WIDTH},screen #{1 - (y.to_f / height)}"
      "set label #{number} \"#{text}\" at #{place} left textcolor rgb \"#{TEXT}\""
    end

    def panel(group, column, title, rows, top, bottom)
      workload = @echo.cases[column]
      data = "$data#{group}_#{column}"
      <<~GNUPLOT
        #{data} << END
        #{bars(workload, rows)}
        END
        #{margins(column, top, bottom)}
        set title "#{workload_title(workload)}" offset 0,-0.6 textcolor rgb "#{TEXT}"
        set xrange [0:#{(longest(rows) * 1.22).round(3)}]
        set yrange [#{rows.size - 0.5}:-0.5]
        #{names(column, title, rows, top)}
        set arrow 1 from 1,graph 0 to 1,graph 1 nohead back lc rgb "#{TEXT}" dt 3
        plot #{data} using 2:1:2:3:($1-0.36):($1+0.36):5 with boxxyerror lc rgb variable, \\
          #{data} using 4:1:6 with labels left offset 0.4,0 textcolor rgb "#{TEXT}"
        unset label 1
        unset label 2
        unset label 3
      GNUPLOT
    end

    # For each piece of a bar: its row, its beginning and end, the position of its text, its colour, the text.
    def bars(workload, rows)
      rows.each_with_index.flat_map do |program, i|
        ratio = @echo.ratio(workload, program)
        drawn = [ratio, LONGEST].min
        pieces = drawn < ratio ? [[0, drawn - (3 * CUT)], [drawn - (2 * CUT), drawn]] : [[0, drawn]]
        pieces.map.with_index do |(from, to), piece|
          text = piece.zero? ? format("%.2f", ratio) : '""'
          [i, from.round(4), to.round(4), [drawn, 1].max.round(4), "0x#{colour(program)}", text].join(" ")
        end
      end.join("\n")
    end

    def colour(program)
      (program.ours? ? OURS : program.name == BASELINE ? BASE : PEER).delete("#")
    end

    def longest(rows)
      ratios = @echo.cases.flat_map { |workload| rows.map { |program| @echo.ratio(workload, program) } }
      [ratios.max, LONGEST].min
    end

    def workload_title(workload)
      return "#{workload.connections} × #{workload.pipeline} in flight" if workload.pipeline > 1
      return "#{workload.connections} × #{workload.size_text}" if workload.size != 64

      "#{workload.connections} connections"
    end

    def margins(column, top, bottom)
      width = (WIDTH - NAMES - MARGIN) / @echo.cases.size
      left = NAMES + (column * width)
      sides = { lmargin: left, rmargin: left + width - 20 }.map { |side, x| "set #{side} at screen #{x.to_f / WIDTH}" }
      ends = { tmargin: top, bmargin: bottom }.map { |side, y| "set #{side} at screen #{1 - (y.to_f / height)}" }
      [*sides, *ends].join("\n")
    end

    def names(column, title, rows, top)
      return "unset ytics" unless column.zero?

      tics = rows.each_with_index.map { |program, i| "\"#{program.label}\" #{i}" }.join(", ")
      ["set ytics nomirror noenhanced scale 0 textcolor rgb \"#{TEXT}\" (#{tics})",
       label(3, "{/:Bold #{title}}", top - 16)].join("\n")
    end
  end
end
