# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "fileutils"
require "open3"
require_relative "certificate"
require_relative "program"
require_relative "server"

module Comparison
  # Compiles the load generator and the programs in C and Go, and finds out which programs can run here: those whose
  # servers start.
  class Builder
    COMPILER = ENV.fetch("CC", "cc")
    FLAGS = %w[-std=c11 -D_GNU_SOURCE -O2 -DNDEBUG].freeze

    # Uses the standard library alone, downloads nothing, and keeps nothing outside build/.
    GO_ENVIRONMENT = { "GO111MODULE" => "off", "GOTOOLCHAIN" => "local", "CGO_ENABLED" => "0",
                       "GOCACHE" => File.join(BUILD, "go") }.freeze

    # @return [Hash] the reasons by label of what cannot run, after {#available}
    attr_reader :skipped

    # @param machine [Machine]
    def initialize(machine)
      @machine = machine
      @skipped = {}
      @built = {}
    end

    def build_load
      FileUtils.mkdir_p(BUILD)
      error = compile(LOAD, Dir[File.join(BENCH, "load*.c")], OPENSSL)
      abort "the load generator does not compile:\n#{error}" if error
    end

    # @param programs [Array<Program>]
    # @return [Array<Program>] those that can run, with the kinds that can run; prints the reason for everything else
    def available(programs)
      programs.filter_map do |program|
        reason = program.checkout&.missing(c: program.c?) ||
                 unusable(program, "echo", "sink", DATAGRAMS, "file", *ALONE)
        next skip(program.label, reason) if reason

        reason = unusable(program, "tls")
        skip("#{program.label}, TLS", reason) if reason
        reason ? program.dup.tap { |same| same.kinds -= ["tls"] } : program
      end
    end

    private

    # All kinds are built. The first is started, too.
    def unusable(program, *kinds)
      kinds &= program.kinds
      build(program, kinds) || start(program, kinds.first) unless kinds.empty?
    end

    # @return [nil]
    def skip(label, reason)
      puts "skipped: #{label}: #{reason}"
      @skipped[label] = reason
      nil
    end

    def build(program, kinds)
      return unless program.c? || program.go?

      error = kinds.filter_map { |kind| build_once(program, kind) }.first
      error && "does not compile (#{(error.lines.grep(/error|cannot find|undefined/).first || error).strip})"
    end

    # Our programs that differ only in the backend share one file.
    def build_once(program, kind)
      target = program.command(kind).first
      return @built[target] if @built.key?(target)

      FileUtils.mkdir_p(File.dirname(target))
      source = program.file("#{kind}_#{program.source}")
      sources = [source, *(program.file("timers_measure.c") if kind == "timers")]
      @built[target] = program.go? ? compile_go(target, source) : compile(target, sources, program.link_for(kind))
    end

    def compile(target, sources, link)
      error_of(COMPILER, *FLAGS, *sources, "-o", target, *link)
    end

    def compile_go(target, source)
      error_of(GO_ENVIRONMENT, "go", "build", "-o", target, source)
    end

    def error_of(*command)
      output, status = Open3.capture2e(*command)
      status.success? ? nil : output
    rescue SystemCallError => e
      e.message
    end

    def start(program, kind)
      Server.run(program, @machine, kind, certificate: kind == "tls" ? Certificate.ecdsa : nil) { nil }
    rescue Failure => e
      e.message
    end
  end
end
