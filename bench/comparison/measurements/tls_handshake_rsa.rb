# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require_relative "tls_handshake"

module Comparison
  # Full handshakes with an RSA certificate.
  class TlsHandshakeRsa < TlsHandshake
    def name
      "tls_handshake_rsa"
    end

    private

    def certificate
      Certificate.rsa
    end

    def what
      "full handshake, RSA #{Certificate::RSA_BITS}"
    end

    def targets
      { "eventmachine-c" => Target.at_most(1.05), "eventmachine-ruby" => Target.at_most(1.10) }
    end
  end
end
