# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require_relative "../measurement"

module Comparison
  # The cost of echoing a message: the server's processor time, the rate, and the latency when it is busy.
  class Echo < Measurement
    WARMUP_SECONDS = 0.15

    # size: of a message, in bytes. pipeline: how many messages are in flight on each connection.
    Workload = Struct.new(:size, :connections, :pipeline, :targets) do
      def title
        text = "#{size_text} messages, #{connections} connections"
        pipeline == 1 ? text : "#{text}, #{pipeline} messages in flight on each"
      end

      def size_text
        (size % 1024).zero? ? "#{size / 1024} KiB" : "#{size}-byte"
      end
    end

    SMALL_TARGETS = { "eventmachine-c" => Target.at_most(0.95), "eventmachine-c-epoll" => Target.at_most(1.03),
                      "eventmachine-ruby" => Target.at_most(1.00),
                      "eventmachine-ruby-epoll" => Target.at_most(1.05) }.freeze
    BEFORE_TARGET = Target.at_most(1.00)

    WORKLOADS = [
      Workload.new(64, 8, 1, SMALL_TARGETS),
      Workload.new(64, 100, 1, SMALL_TARGETS),
      Workload.new(64, 1000, 1, SMALL_TARGETS),
      Workload.new(64, 50, 32, { "eventmachine-ruby" => Target.at_most(1.10) }),
      Workload.new(16_384, 50, 1, { "eventmachine-c" => Target.at_most(0.95),
                                    "eventmachine-ruby" => Target.at_most(1.10) })
    ].freeze

    CPU = "server_cpu_ns_per_message"
    COLUMNS = ["", "CPU per message, ns", "÷ bare epoll", "quartiles", "target", "messages/s", "p50, µs", "p99, µs",
               "p99.9, µs"].freeze

    def name
      "echo"
    end

    def cases
      WORKLOADS
    end

    def paired?
      true
    end

    def seconds_each(_program)
      @seconds + WARMUP_SECONDS + START_AND_END_SECONDS
    end

    def measure(program, workload)
      Server.run(program, @machine, kind) { |server| drive(server, workload) }
    end

    # @return [Float, nil] processor time per message as a multiple of the bare epoll loop's
    def ratio(workload, program)
      results.ratio(workload, program, CPU)
    end

    def tables
      cases.map do |workload|
        table(title(workload), [*COLUMNS, *before_column], workload) { |program| row(workload, program) }
      end
    end

    private

    def title(workload)
      "Echo, #{workload.title}"
    end

    def subject(workload)
      "echo, #{workload.title}"
    end

    # @param others [Hash] more options of the load generator
    def drive(server, workload, **others)
      server.load(mode: "echo", size: workload.size, connections: workload.connections, pipeline: workload.pipeline,
                  seconds: @seconds, warmup: WARMUP_SECONDS, **others)
    end

    def describe(workload)
      workload.title
    end

    def row(workload, program)
      value = ratio(workload, program)
      figures = { CPU => 0, "messages_per_second" => 0, "p50_us" => 0, "p99_us" => 0, "p99_9_us" => 0 }
      cpu, *others = figures.map { |figure, digits| number(results.median(workload, program, figure), digits) }
      [cpu, number(value, 3), quartiles(workload, program), verdict(workload.targets, program, value, subject(workload)), *others,
       *before_cell(workload, program, CPU, subject(workload), target: BEFORE_TARGET)]
    end

    def quartiles(workload, program)
      results.quartiles(workload, program, CPU)&.map { |ratio| number(ratio, 2) }&.join("–") || ""
    end
  end
end
