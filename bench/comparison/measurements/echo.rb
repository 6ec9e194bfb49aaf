# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require_relative "../measurement"

module Comparison
  # What it costs to echo a message: the server's processor time, and how many a second and how fast when it is busy.
  class Echo < Measurement
    SIZE = 64
    WARMUP_SECONDS = 0.2

    Workload = Struct.new(:connections, :pipeline, :targets) do
      def title
        text = "#{connections} connections"
        pipeline == 1 ? text : "#{text}, #{pipeline} messages in flight on each"
      end
    end

    WORKLOADS = [
      Workload.new(100, 1, { "eventmachine-c" => Target.at_most(1.05), "eventmachine-ruby" => Target.at_most(1.12) }),
      Workload.new(1000, 1, { "eventmachine-c" => Target.at_most(1.05), "eventmachine-ruby" => Target.at_most(1.12) }),
      Workload.new(50, 32, { "eventmachine-ruby" => Target.at_most(1.10) })
    ].freeze

    CPU = "server_cpu_ns_per_message"
    COLUMNS = ["", "CPU per message, ns", "÷ bare epoll", "target", "messages/s", "p50, µs", "p99, µs",
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
      @seconds + WARMUP_SECONDS + 0.3
    end

    def measure(program, workload)
      Server.run(program, @machine) do |server|
        server.load(mode: "echo", size: SIZE, connections: workload.connections, pipeline: workload.pipeline,
                    seconds: @seconds, warmup: WARMUP_SECONDS)
      end
    end

    # @return [Float, nil] processor time per message as a multiple of the bare epoll loop's
    def ratio(workload, program)
      results.ratio(workload, program, CPU)
    end

    def tables
      cases.map do |workload|
        table("Echo, #{SIZE}-byte messages, #{workload.title}", COLUMNS, workload) { |program| row(workload, program) }
      end
    end

    private

    def describe(workload)
      workload.title
    end

    def row(workload, program)
      value = ratio(workload, program)
      figures = { CPU => 0, "messages_per_second" => 0, "p50_us" => 0, "p99_us" => 0, "p99_9_us" => 0 }
      cpu, *others = figures.map { |figure, digits| number(results.median(workload, program, figure), digits) }
      [cpu, number(value, 3), verdict(workload.targets, program, value, "echo, #{workload.title}"), *others]
    end
  end
end
