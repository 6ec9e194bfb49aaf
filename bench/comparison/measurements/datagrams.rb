# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require_relative "echo"

module Comparison
  # The cost of echoing a datagram over UDP. The bare loop receives and sends in batches (recvmmsg, sendmmsg).
  class Datagrams < Echo
    # segments: whether the load generator sends and receives several datagrams as one message.
    Kind = Struct.new(:size, :connections, :pipeline, :targets, :segments) do
      def title
        text = "#{size} bytes, #{connections} sockets, #{pipeline} in flight on each"
        segments ? "#{text}, in segments" : text
      end
    end

    C = { "eventmachine-c" => Target.at_most(1.05), "eventmachine-ruby" => Target.at_most(1.25) }.freeze
    WORKLOADS = [
      Kind.new(64, 8, 8, C, false),
      Kind.new(1200, 8, 8, { **C, "eventmachine-c-segments" => Target.at_most(0.90) }, false),
      Kind.new(1200, 8, 8, { "eventmachine-c-segments" => Target.at_most(0.30) }, true)
    ].freeze

    def name
      DATAGRAMS
    end

    def kind
      DATAGRAMS
    end

    def cases
      WORKLOADS
    end

    def measure(program, workload)
      Server.run(program, @machine, kind) do |server|
        drive(server, workload, mode: DATAGRAMS, **(workload.segments ? { segments: true } : {}))
      end
    end

    private

    def title(workload)
      "Datagrams, echo, #{workload.title}"
    end

    alias subject title
  end
end
