# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

module EventMachine
  # Turns the checked options of a program into the settings of a native context, with the defaults of 1.x.
  # @private
  module TLSSettings
    CIPHERS = "ALL:!ADH:!LOW:!EXP:!DES-CBC3-SHA:@STRENGTH"
    # Without this in the list of ciphers, OpenSSL 3 cannot negotiate TLS 1.0 and 1.1.
    OLD_VERSIONS_ALLOWED = /@SECLEVEL=0/.freeze
    OLD_VERSIONS = EM_PROTO_TLSv1 | EM_PROTO_TLSv1_1
    ALL_VERSIONS = OLD_VERSIONS | EM_PROTO_TLSv1_2 | EM_PROTO_TLSv1_3
    # EM_PROTO_TLSv1 is the fourth bit here, and the first one in the library.
    SHIFT = 3

    UNCHANGED = %i[verify_peer ca_file ca_path ca_pem alpn session_tickets].freeze
    CLIENT_CERTIFICATES = { none: 0, ask: 1, require: 2 }.freeze

    class << self
      # @param given [Hash{Symbol => Object}]
      # @return [Hash{Symbol => Object}]
      def for_client(given)
        settings = common(given)
        # As in 1.x, a client's certificate without a key is ignored.
        settings.update(given.slice(*TLSCredentials::NAMES)) if TLSCredentials.key?(given)
        settings[:verify] = given[:verify] == true
        settings[:verify_override] = !given[:verify] && given[:verify_peer]
        settings
      end

      # @param given [Hash{Symbol => Object}]
      # @return [Hash{Symbol => Object}]
      def for_server(given)
        settings = common(given)
        settings.update(given.slice(*TLSCredentials::NAMES, :certificates))
        settings[:self_signed] = true unless TLSCredentials.certificate?(given)
        settings[:groups] = given[:ecdh_curve]
        settings[:dh_file] = given[:dhparam]
        settings[:client_certificates] = CLIENT_CERTIFICATES[client_certificates(given)]
        settings[:verify_override] = !given[:verify] && given[:verify_peer]
        settings
      end

      private

      def common(given)
        settings = given.slice(*UNCHANGED)
        settings[:cipher_list] = given[:cipher_list] || CIPHERS
        settings[:versions] = versions(given[:versions] || ALL_VERSIONS, settings[:cipher_list])
        settings
      end

      # Versions that cannot be negotiated are left out if there are others.
      def versions(asked, ciphers)
        asked &= ALL_VERSIONS
        possible = ciphers.match?(OLD_VERSIONS_ALLOWED) ? asked : asked & ~OLD_VERSIONS
        raise BadParams, "None of the versions in ssl_version can be used" if asked.zero?
        raise BadParams, "TLSv1 and TLSv1_1 need @SECLEVEL=0 in cipher_list" if possible.zero?

        possible >> SHIFT
      end

      def client_certificates(given)
        if given[:verify]
          given[:fail_if_no_peer_cert] == false ? :ask : :require
        elsif given[:verify_peer]
          given[:fail_if_no_peer_cert] ? :require : :ask
        else
          :none
        end
      end
    end
  end
end
