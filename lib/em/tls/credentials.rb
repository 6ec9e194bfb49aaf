# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

module EventMachine
  # Checks the certificate and the private key among the options of {Connection#start_tls}, in the same order as 1.x.
  # @private
  module TLSCredentials
    NAMES = %i[private_key_file private_key private_key_pass cert_chain_file cert].freeze
    KEYS = %i[private_key private_key_file].freeze
    CERTIFICATES = %i[cert cert_chain_file].freeze

    class << self
      # @param options [Hash]
      # @param files [Array<Array>] gets the {TLSValues.identity} of each file
      # @return [Hash{Symbol => String}] the options that are given
      # @raise [FileNotFoundException, BadPrivateKeyParams, BadCertParams, BadParams, TypeError]
      def check(options, files)
        given = TLSValues.texts(options, NAMES)
        %i[private_key_file cert_chain_file].each { |name| files << TLSValues.identity(given[name]) if given[name] }
        check_twice(given)
        if key?(given) && !certificate?(given)
          raise BadParams, "You have specified a private key to use, but not the related cert"
        end

        given
      end

      def key?(given)
        KEYS.any? { |name| given.key?(name) }
      end

      def certificate?(given)
        CERTIFICATES.any? { |name| given.key?(name) }
      end

      # @return [Hash] a copy, in which the key is looked for in the file of the certificate if it is not given
      def with_key(given)
        given = given.dup
        return given if key?(given)

        given[:private_key_file] = given[:cert_chain_file] if given.key?(:cert_chain_file)
        given[:private_key] = given[:cert] if given.key?(:cert)
        given
      end

      # @return [Hash] the earlier options, without those that the new ones replace
      def replaceable(earlier, given)
        earlier = earlier.reject { |name, _| KEYS.include?(name) || name == :private_key_pass } if key?(given)
        earlier = earlier.reject { |name, _| CERTIFICATES.include?(name) } if certificate?(given)
        earlier
      end

      private

      def check_twice(given)
        if KEYS.all? { |name| given.key?(name) }
          raise BadPrivateKeyParams, "Specifying both private_key and private_key_file not allowed"
        end
        return unless CERTIFICATES.all? { |name| given.key?(name) }

        raise BadCertParams, "Specifying both cert and cert_chain_file not allowed"
      end
    end
  end
end
