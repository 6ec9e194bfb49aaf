# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "fileutils"
require "open3"
require_relative "program"

module Comparison
  # Compiles the load generator and the programs in C, and finds out which of all programs can run here.
  class Builder
    COMPILER = ENV.fetch("CC", "cc")
    FLAGS = %w[-std=c11 -D_GNU_SOURCE -O2 -DNDEBUG].freeze

    LOAD = File.join(BUILD, "load")

    def build_load
      FileUtils.mkdir_p(BUILD)
      error = compile(LOAD, Dir[File.join(BENCH, "load*.c")], [])
      abort "the load generator does not compile:\n#{error}" if error
    end

    # @param programs [Array<Program>]
    # @return [Array<Program>] those that can run; says why of the others
    def available(programs)
      programs.select do |program|
        reason = missing(program) || (program.c? ? build(program) : probe(program))
        puts "skipped: #{program.label}: #{reason}" if reason
        reason.nil?
      end
    end

    private

    def missing(program)
      file = program.c? ? LIBRARY : EXTENSION
      "#{file.delete_prefix("#{ROOT}/")} is missing, run `make build`" if program.ours? && !File.exist?(file)
    end

    def build(program)
      error = ["echo", *program.extras].filter_map do |kind|
        sources = [File.join(BENCH, "#{kind}_#{program.source}")]
        sources << File.join(BENCH, "timers_measure.c") if kind == "timers"
        compile(program.command(kind).first, sources, program.link)
      end.first
      error && "does not compile (#{error.lines.grep(/error|cannot find|undefined/).first.to_s.strip})"
    end

    def compile(target, sources, link)
      output, status = Open3.capture2e(COMPILER, *FLAGS, *sources, "-o", target, *link)
      status.success? ? nil : output
    rescue SystemCallError => e
      e.message
    end

    def probe(program)
      output, status = Open3.capture2e(*program.probe)
      status.success? ? nil : output.lines.first.to_s.strip
    rescue SystemCallError => e
      e.message
    end
  end
end
