# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "openssl"
require "securerandom"

module EventMachine
  module Protocols
    module Postgres
      # The client's side of SCRAM-SHA-256 (RFC 5802, RFC 7677), without channel binding. The server must prove that it knows the
      # password, too.
      # @private
      class ScramSha256
        NAME = "SCRAM-SHA-256"
        # The header "n,,": no channel binding, no other identity.
        GS2_HEADER = "n,,"
        # More iterations would block the reactor for too long.
        MOST_ITERATIONS = 100_000

        # A server that does not keep to the protocol, or does not know the password.
        class Failure < StandardError; end

        # @param password [String]
        # @param user [String] PostgreSQL wants it empty and takes the one of the startup message
        # @param nonce [String] for tests
        def initialize(password, user: "", nonce: SecureRandom.base64(18))
          @password = self.class.prepare(password)
          @nonce = nonce
          @first_bare = "n=#{user},r=#{nonce}"
          @verified = false
        end

        # Whether the server has proven that it knows the password.
        def verified?
          @verified
        end

        # @return [String]
        def first_message
          GS2_HEADER + @first_bare
        end

        # @param server_first [String]
        # @return [String]
        # @raise [Failure]
        def final_message(server_first)
          nonce, salt, iterations = parse_first(server_first)
          without_proof = "c=#{[GS2_HEADER].pack('m0')},r=#{nonce}"
          salted = OpenSSL::KDF.pbkdf2_hmac(@password, salt: salt, iterations: iterations, length: 32, hash: "sha256")
          authentication = "#{@first_bare},#{server_first},#{without_proof}"
          @server_signature = hmac(hmac(salted, "Server Key"), authentication)
          "#{without_proof},p=#{[proof(salted, authentication)].pack('m0')}"
        end

        # @param server_final [String]
        # @raise [Failure] unless it proves that the server knows the password
        def verify(server_final)
          raise Failure, "the server refuses: #{server_final[2..]}" if server_final.start_with?("e=")

          signature = server_final[/\Av=([^,]+)/, 1]
          signature &&= decode(signature)
          unless @server_signature && signature&.bytesize == 32 &&
                 OpenSSL.fixed_length_secure_compare(signature, @server_signature)
            raise Failure, "the server does not know the password"
          end

          @verified = true
        end

        # SASLprep (RFC 4013) as PostgreSQL has it: a password that it does not allow is taken as its bytes.
        # @return [String] binary
        def self.prepare(password)
          text = password.dup.force_encoding(Encoding::UTF_8)
          return text.b if text.ascii_only? || !text.valid_encoding?

          prepared = text.gsub(/[\u00A0\u1680\u2000-\u200B\u202F\u205F\u3000]/, " ")
                         .gsub(/[\u00AD\u034F\u1806\u180B-\u180D\u200C\u200D\u2060\uFE00-\uFE0F\uFEFF]/, "")
                         .unicode_normalize(:nfkc)
          prepared.empty? || prepared.match?(/\p{C}/) ? text.b : prepared.b
        end

        private

        def parse_first(text)
          match = text.match(/\Ar=([\x21-\x2b\x2d-\x7e]+),s=([^,]+),i=([1-9][0-9]{0,8})(?:,|\z)/n)
          raise Failure, "malformed challenge" unless match

          nonce, salt, iterations = match.captures
          salt = decode(salt)
          raise Failure, "malformed challenge" unless salt
          raise Failure, "the server's nonce does not extend ours" unless nonce.start_with?(@nonce) && nonce.size > @nonce.size
          raise Failure, "too many iterations" if iterations.to_i > MOST_ITERATIONS

          [nonce, salt, iterations.to_i]
        end

        def proof(salted, authentication)
          client_key = hmac(salted, "Client Key")
          signature = hmac(OpenSSL::Digest.digest("SHA256", client_key), authentication)
          client_key.bytes.zip(signature.bytes).map { |one, other| one ^ other }.pack("C*")
        end

        def hmac(key, data)
          OpenSSL::HMAC.digest("SHA256", key, data)
        end

        # @return [String, nil] nil if it is no base64
        def decode(text)
          text.unpack1("m0")
        rescue ArgumentError
          nil
        end
      end
    end
  end
end
