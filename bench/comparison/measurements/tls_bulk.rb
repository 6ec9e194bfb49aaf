# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require_relative "tls_echo"

module Comparison
  # The cost of a large message over TLS 1.3: a record is full, and most of the work is encryption.
  class TlsBulk < TlsEcho
    WORKLOADS = [Workload.new(16_384, 50, 1, { "eventmachine-c" => Target.at_most(1.05),
                                               "eventmachine-ruby" => Target.at_most(1.10) })].freeze

    def name
      "tls_bulk"
    end

    def cases
      WORKLOADS
    end
  end
end
