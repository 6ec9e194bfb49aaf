# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require_relative "../certificate"
require_relative "idle"

module Comparison
  # The memory of the server's process per open connection with TLS that has nothing to do. There are fewer connections
  # than without TLS, because each costs a handshake.
  class TlsIdle < Idle
    CONNECTIONS = 2000
    TARGETS = { "eventmachine-c" => Target.at_most(14_500), "eventmachine-ruby" => Target.at_most(16_000) }.freeze

    def name
      "tls_idle"
    end

    def kind
      "tls"
    end

    def seconds_each(_program)
      4
    end

    def measure(program, _case)
      Server.run(program, @machine, kind, certificate: Certificate.ecdsa) do |server|
        server.load(mode: "idle", tls: true, connections: CONNECTIONS)
      end
    end

    def tables
      title = "TLS, memory per idle connection, #{number(CONNECTIONS, 0)} connections"
      [memory_table(title, TARGETS, "TLS, #{SUBJECT}")]
    end
  end
end
