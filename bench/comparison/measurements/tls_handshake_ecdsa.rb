# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require_relative "tls_handshake"

module Comparison
  # Full handshakes with a P-256 certificate.
  class TlsHandshakeEcdsa < TlsHandshake
    def name
      "tls_handshake_ecdsa"
    end

    private

    def certificate
      Certificate.ecdsa
    end

    def what
      "full handshake, ECDSA P-256"
    end

    def targets
      { "eventmachine-c" => Target.at_most(1.05), "eventmachine-ruby" => Target.at_most(1.15) }
    end
  end
end
