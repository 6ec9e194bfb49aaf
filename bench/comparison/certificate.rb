# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "openssl"
require "tempfile"

module Comparison
  # A certificate of the servers with TLS, signed by itself, with its key. Both are made when they are first needed. The
  # files disappear when this process ends.
  class Certificate
    SECONDS = 24 * 60 * 60
    RSA_BITS = 2048

    class << self
      # @return [Certificate] with a P-256 key
      def ecdsa
        @ecdsa ||= new(OpenSSL::PKey::EC.generate("prime256v1"))
      end

      # @return [Certificate] with an RSA key
      def rsa
        @rsa ||= new(OpenSSL::PKey::RSA.new(RSA_BITS))
      end
    end

    # @param key [OpenSSL::PKey::PKey]
    def initialize(key)
      @files = [certify(key), key].map { |object| file(object.to_pem) }
    end

    # @return [Array(String, String)] the paths of certificate and key, in PEM
    def files
      @files.map(&:path)
    end

    private

    def certify(key)
      certificate = OpenSSL::X509::Certificate.new
      certificate.version = 2
      certificate.serial = 1
      certificate.subject = certificate.issuer = OpenSSL::X509::Name.new([%w[CN localhost]])
      certificate.not_before = Time.now
      certificate.not_after = Time.now + SECONDS
      certificate.public_key = key
      certificate.sign(key, "SHA256")
    end

    # It can be read by this user only.
    def file(text)
      Tempfile.new(["bench", ".pem"]).tap do |file|
        file.write(text)
        file.close
      end
    end
  end
end
