# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require_relative "tls_handshake"

module Comparison
  # Handshakes of a client that offers the session of its last connection. A server that refuses makes a full one.
  class TlsResumed < TlsHandshake
    def name
      "tls_resumed"
    end

    private

    def certificate
      Certificate.ecdsa
    end

    def what
      "resumed handshake"
    end

    def resume?
      true
    end

    def targets
      { "eventmachine-c" => Target.at_most(1.05), "eventmachine-ruby" => Target.at_most(1.15) }
    end
  end
end
