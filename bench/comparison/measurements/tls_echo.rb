# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require_relative "../certificate"
require_relative "echo"

module Comparison
  # The cost of a small message over TLS 1.3.
  class TlsEcho < Echo
    WORKLOADS = [Workload.new(64, 100, 1, { "eventmachine-c" => Target.at_most(1.05),
                                            "eventmachine-ruby" => Target.at_most(1.20) })].freeze

    def name
      "tls_echo"
    end

    def kind
      "tls"
    end

    def cases
      WORKLOADS
    end

    def measure(program, workload)
      Server.run(program, @machine, kind, certificate: Certificate.ecdsa) do |server|
        drive(server, workload, tls: true)
      end
    end

    private

    def title(workload)
      "TLS, echo, #{workload.title}"
    end

    alias subject title
  end
end
