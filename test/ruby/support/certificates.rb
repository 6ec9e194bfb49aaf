# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# Certificates for the tests of TLS, made anew in each process by Ruby's openssl: an authority for the tests and what it
# issues. Keys are P-256, whose generation takes a fraction of a millisecond.

require "fileutils"
require "openssl"
require "tmpdir"

module Certificates
  # A certificate, its key, and the chain below the root.
  class Credentials
    attr_reader :certificate, :key, :issuers

    def initialize(certificate, key, issuers)
      @certificate = certificate
      @key = key
      @issuers = issuers
    end

    # @return [String]
    def cert
      certificate.to_pem
    end

    # The leaf, then its issuers without the root.
    # @return [String]
    def chain
      [certificate, *issuers].map(&:to_pem).join
    end

    # @return [String] in the traditional form; encrypted, if there is a passphrase
    def private_key(passphrase = nil)
      passphrase ? key.to_pem(OpenSSL::Cipher.new("AES-256-CBC"), passphrase) : key.to_pem
    end

    # @return [String] paths of files with the above
    def cert_file
      @cert_file ||= Certificates.write(cert)
    end

    def chain_file
      @chain_file ||= Certificates.write(chain)
    end

    def key_file
      @key_file ||= Certificates.write(private_key)
    end

    # Issues a certificate that is signed with this one's key.
    # @param name [String] the subject's common name
    # @param names [Array<String>] the alternative names
    # @param valid [Range<Time>]
    # @param ca [Boolean] whether it may issue certificates itself
    # @param purpose [String] extendedKeyUsage
    # @param key [OpenSSL::PKey::PKey]
    # @return [Credentials]
    def issue(name, names: ["DNS:#{name}"], valid: Certificates.now_valid, ca: false,
              purpose: "serverAuth,clientAuth", key: Certificates.new_key)
      certificate = Certificates.build(name, key, valid)
      Certificates.extend_certificate(certificate, self.certificate, names, ca, purpose)
      certificate.issuer = self.certificate.subject
      certificate.sign(self.key, OpenSSL::Digest.new("SHA256"))
      Credentials.new(certificate, key, issuers_below)
    end

    private

    def issuers_below
      certificate.issuer == certificate.subject ? [] : [certificate, *issuers]
    end
  end

  class << self
    # @return [Credentials] the root of the tests' own authority
    def root
      @root ||= self_signed("Root of the tests", ca: true)
    end

    # @return [Credentials] for localhost, 127.0.0.1 and ::1, issued by the root
    def localhost
      @localhost ||= root.issue("localhost", names: ["DNS:localhost", "IP:127.0.0.1", "IP:::1"])
    end

    # @return [Credentials] for a client, issued by the root
    def client
      @client ||= root.issue("client")
    end

    # @return [Credentials] issued by an intermediate authority
    def behind_intermediate
      @behind_intermediate ||= root.issue("Intermediate of the tests", ca: true)
                                   .issue("localhost", names: ["DNS:localhost", "IP:127.0.0.1"])
    end

    # @return [Credentials]
    def self_signed(name, names: ["DNS:#{name}"], ca: false, key: new_key)
      certificate = build(name, key, now_valid)
      certificate.issuer = certificate.subject
      extend_certificate(certificate, certificate, names, ca, ca ? nil : "serverAuth")
      Credentials.new(certificate.sign(key, OpenSSL::Digest.new("SHA256")), key, [])
    end

    def new_key
      OpenSSL::PKey::EC.generate("prime256v1")
    end

    def now_valid
      (Time.now - 3600)..(Time.now + 86_400)
    end

    # @return [String] the path of a file with this content, which is removed when the process exits
    def write(content)
      unless @directory
        @directory = Dir.mktmpdir("em-certificates")
        owner = Process.pid
        at_exit { FileUtils.remove_entry(@directory) if Process.pid == owner }
      end
      path = File.join(@directory, "#{@written = @written.to_i + 1}.pem")
      File.write(path, content, perm: 0o600)
      path
    end

    # @return [String] the path of a directory with this certificate under the name that OpenSSL looks for
    def directory_of(certificate)
      directory = "#{write('')}.d"
      Dir.mkdir(directory)
      File.write(File.join(directory, format("%08x.0", certificate.subject.hash)), certificate.to_pem)
      directory
    end

    # @private
    def build(name, key, valid)
      certificate = OpenSSL::X509::Certificate.new
      certificate.version = 2
      certificate.serial = @serial = @serial.to_i + 1
      certificate.subject = OpenSSL::X509::Name.new([["CN", name]])
      certificate.public_key = key
      certificate.not_before = valid.begin
      certificate.not_after = valid.end
      certificate
    end

    # @private
    def extend_certificate(certificate, issuer, names, ca, purpose)
      factory = OpenSSL::X509::ExtensionFactory.new(issuer, certificate)
      certificate.add_extension(factory.create_extension("basicConstraints", "CA:#{ca.to_s.upcase}", true))
      certificate.add_extension(factory.create_extension("keyUsage", ca ? "keyCertSign,cRLSign" : "digitalSignature", true))
      certificate.add_extension(factory.create_extension("subjectKeyIdentifier", "hash"))
      certificate.add_extension(factory.create_extension("extendedKeyUsage", purpose)) if purpose
      certificate.add_extension(factory.create_extension("subjectAltName", names.join(","))) unless names.empty? || ca
    end
  end
end
