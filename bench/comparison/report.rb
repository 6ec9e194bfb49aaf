# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require_relative "plot"

module Comparison
  # The report of a run: tables on the terminal, and the same tables in a Markdown file between two markers, with a plot
  # next to it.
  class Report
    FIRST_LINE = "<!-- figures: written by bench/compare, from here -->"
    LAST_LINE = "<!-- figures: to here -->"

    # @param facts [Array<Array(String, String)>] of the machine
    # @param measurements [Array<Measurement>] after they ran
    def initialize(facts, measurements)
      @facts = facts
      @measurements = measurements
      @tables = measurements.flat_map(&:tables).reject(&:empty?)
      @verdicts = measurements.flat_map(&:verdicts)
    end

    def print
      puts @facts.map { |subject, text| "#{subject}: #{text}" }
      puts
      puts @tables.map(&:to_text).join("\n\n")
      puts
      puts summary
    end

    # Puts the tables between the markers of the file and draws the plot.
    # @param path [String] of the Markdown file
    # @param command [String] that reproduces the figures
    def write(path, command)
      text = File.read(path)
      first, last = [FIRST_LINE, LAST_LINE].map { |marker| text.index(marker) }
      abort "#{path} lacks the two marker lines between which the figures belong" unless first && last

      plot = path.sub(/\.md\z/, ".svg")
      error = draw(plot)
      puts "no plot: #{error}" if error
      figures = [*("![Processor time per message](#{File.basename(plot)})" unless error), markdown(command)]
      File.write(path, text[0...first] + [FIRST_LINE, *figures, text[last..]].join("\n\n"))
      puts "written: #{path}"
    end

    private

    def draw(path)
      echo = @measurements.find { |measurement| measurement.name == "echo" }
      echo ? Plot.new(echo, echo.programs).draw(path) : "the echo was not measured"
    end

    def summary
      missed = @verdicts.reject(&:met?)
      ["Targets met: #{@verdicts.size - missed.size} of #{@verdicts.size}.",
       *missed.map { |verdict| "Missed: #{verdict}" }].join("\n")
    end

    def markdown(command)
      facts = [*@facts, ["Command", "`#{command}`"]].map { |subject, text| "- #{subject}: #{text}" }.join("\n")
      [facts, summary.gsub("\n", "\n\n"), *@tables.map(&:to_markdown)].join("\n\n")
    end
  end
end
