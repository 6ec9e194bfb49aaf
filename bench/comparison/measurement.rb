# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require_relative "results"
require_relative "server"
require_relative "table"
require_relative "target"

module Comparison
  # Something that is measured for every program, in rounds, each of which begins with another program. If figures are
  # given as multiples of the bare epoll loop's, that loop runs before and after each program, under the same
  # conditions. A subclass defines what is measured: {#name}, {#kind}, {#cases}, {#paired?}, {#seconds_each}, {#measure}
  # and {#tables}.
  class Measurement
    # A program that runs alone and takes longer than this is considered hung.
    ALONE_SECONDS = 60

    # The approximate time to start a server, open the connections, and end both.
    START_AND_END_SECONDS = 0.1

    # @return [Results]
    attr_reader :results

    # @return [Array<Verdict>] on our figures, after {#tables}
    attr_reader :verdicts

    # @param machine [Machine]
    # @param programs [Array<Program>] that can run
    # @param rounds [Integer]
    # @param seconds [Float] how long each load lasts
    def initialize(machine, programs, rounds:, seconds:)
      @machine = machine
      @programs = programs
      @rounds = rounds
      @seconds = seconds
      @results = Results.new
      @verdicts = []
    end

    # @return [Float] about how long {#run} will take
    def duration_seconds
      between = with_baseline? ? (compared.size + 1) * seconds_each(baseline) : 0
      rounds * cases.size * (compared.sum { |program| seconds_each(program) } + between)
    end

    def run
      rounds.times do |round|
        cases.each do |kase|
          order = compared.rotate(round)
          with_baseline? ? run_beside_baseline(round, kase, order) : run_each(round, kase, order)
        end
      end
      $stderr.print "\r\e[K" if $stderr.tty?
    end

    # @return [String] the kind of program that is measured
    def kind
      "echo"
    end

    # @return [Boolean] whether its figures are compared with the bare loop's
    def paired?
      false
    end

    # @return [Array] the measurement is repeated for each of these; {#measure} gets them
    def cases
      [nil]
    end

    # @return [Array<Program>] the programs for which it can be made; none if there is nothing to compare them with
    def programs
      usable = @programs.select { |program| program.kinds.include?(kind) }
      paired? && !usable.include?(baseline) ? [] : usable
    end

    def rounds
      @rounds
    end

    private

    def baseline
      @programs.find { |program| program.name == BASELINE }
    end

    def with_baseline?
      paired? && programs.size > 1
    end

    def compared
      with_baseline? ? programs - [baseline] : programs
    end

    def run_each(round, kase, order)
      order.each { |program| results.add(kase, program, attempt(round, kase, program)) }
    end

    # Each run of the bare loop counts for the program before it and for the one after it.
    def run_beside_baseline(round, kase, order)
      before = run_baseline(round, kase)
      order.each do |program|
        figures = attempt(round, kase, program)
        after = run_baseline(round, kase)
        results.add(kase, program, figures, [before, after])
        before = after
      end
    end

    def run_baseline(round, kase)
      attempt(round, kase, baseline).tap { |figures| results.add(kase, baseline, figures) }
    end

    def attempt(round, kase, program)
      what = [name, describe(kase), program.label].compact.join(", ")
      $stderr.print "\r\e[Kround #{round + 1} of #{rounds}: #{what}" if $stderr.tty?
      measure(program, kase)
    rescue Failure => e
      puts "#{"\r\e[K" if $stderr.tty?}failed: #{what}: #{e.message}"
      nil
    end

    def describe(_kase)
      nil
    end

    # Runs a program of this measurement's kind on the core of the servers. It prints one line of JSON.
    def run_alone(program)
      output, error, status = Open3.capture3(program.environment, *@machine.pin(:server),
                                            "timeout", ALONE_SECONDS.to_s, *program.command(kind))
      raise Failure, error.lines.last&.strip || status.to_s unless status.success?

      JSON.parse(output)
    end

    def measured(kase)
      programs.select { |program| results.any?(kase, program) }
    end

    def number(value, digits)
      return unless value

      whole, fraction = format("%.#{digits}f", value).split(".")
      [whole.gsub(/(?<=\d)(?=(\d{3})+\z)/, " "), fraction].compact.join(".")
    end

    # @return [Array<String>] the heading of the last column, if there is another checkout to compare with
    def before_column
      programs.any?(&:before?) ? ["÷ before"] : []
    end

    # @param target [Target, nil] for our programs on their default backend
    # @return [Array<String, nil>] the last cell of a row: the figure as a multiple of the other checkout's
    def before_cell(kase, program, figure, subject, target: nil)
      return [] if before_column.empty?

      before = programs.find { |other| other.before? && other.source == program.source }
      return [""] if before.nil? || program.before?

      value = results.against(kase, program, before, figure)
      if value && target && !program.variant?
        @verdicts << Verdict.new("#{program.label}, #{subject}, as a multiple of before", target, value)
      end
      [number(value, 3)]
    end

    # A table with a row for each measured program. The block returns the cells after its name.
    def table(title, columns, kase)
      table = Table.new(title, columns)
      measured(kase).each { |program| table.add([program.label, *yield(program)]) }
      table
    end

    # @param targets [Hash] of program names to targets
    # @return [String] a cell of the table; empty if the program has no target
    def verdict(targets, program, figure, subject)
      target = targets[program.name]
      return "" unless target && figure

      @verdicts << Verdict.new("#{program.label}, #{subject}", target, figure)
      @verdicts.last.cell
    end
  end
end
