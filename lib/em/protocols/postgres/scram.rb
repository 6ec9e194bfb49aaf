# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "securerandom"

module EventMachine
  module Protocols
    class Postgres3 < Connection
      # The client's side of SCRAM-SHA-256 (RFC 5802, RFC 7677), without channel binding. The server never sees the
      # password, and proves that it knows it.
      class Scram
        MECHANISM = "SCRAM-SHA-256"
        # No channel binding, no authorization identity.
        GS2_HEADER = "n,,"
        # In this order, with nothing in front: mandatory extensions ("m=") are not supported. Optional ones may follow.
        CHALLENGE = %r{\Ar=([!-+\--~]+),s=([A-Za-z0-9+/]+={0,2}),i=([1-9][0-9]{0,9})(?:,[A-Za-z]=[^,]*)*\z}n.freeze
        OUTCOME = %r{\Av=([A-Za-z0-9+/]+={0,2})(?:,[A-Za-z]=[^,]*)*\z}n.freeze
        REFUSAL = /\Ae=([^,]*)/n.freeze

        # @param password [String]
        # @param user [String] PostgreSQL takes the name from the startup message and ignores this
        # @param nonce [String] printable ASCII without a comma; must never repeat, so only tests set it
        # @param max_iterations [Numeric] the most iterations that a server may demand; they run on the reactor's thread
        # @raise [AuthenticationRefused] if this Ruby has no OpenSSL
        def initialize(password, user: "", nonce: SecureRandom.base64(24), max_iterations: 100_000)
          load_openssl
          @password = Saslprep.prepare(password)
          @bare_first = "n=#{escape(user)},r=#{nonce}".b
          @nonce = nonce
          @max_iterations = max_iterations
          @verified = false
        end

        # @return [Boolean] whether the server has proved that it knows the password
        def verified?
          @verified
        end

        # Does not show the password.
        def inspect
          "#<#{self.class}>"
        end

        # @return [String]
        def first_message
          "#{GS2_HEADER}#{@bare_first}".b
        end

        # @param challenge [String] the server's first message
        # @return [String] the client's final message, with the proof
        # @raise [AuthenticationRefused]
        def final_message(challenge)
          raise AuthenticationRefused, "SCRAM: the server sent a second challenge" if @server_signature

          nonce, salt, iterations = parse(challenge)
          salted = OpenSSL::KDF.pbkdf2_hmac(@password, salt: salt, iterations: iterations, length: 32, hash: "SHA256")
          without_proof = "c=#{[GS2_HEADER].pack('m0')},r=#{nonce}"
          conversation = "#{@bare_first},#{challenge},#{without_proof}".b
          @server_signature = hmac(hmac(salted, "Server Key"), conversation)
          "#{without_proof},p=#{[proof(salted, conversation)].pack('m0')}".b
        end

        # @param outcome [String] the server's final message
        # @raise [AuthenticationRefused]
        def verify(outcome)
          raise AuthenticationRefused, "SCRAM: #{$1}" if outcome =~ REFUSAL

          signature = outcome[OUTCOME, 1] && decode(outcome[OUTCOME, 1])
          unless @server_signature && !@verified && signature && OpenSSL.secure_compare(signature, @server_signature)
            raise AuthenticationRefused, "SCRAM: the server's signature is wrong"
          end

          @verified = true
        end

        private

        def parse(challenge)
          match = CHALLENGE.match(challenge) or raise AuthenticationRefused, "SCRAM: the server's challenge is malformed"
          nonce, salt, iterations = match.captures
          check_nonce(nonce)
          raise AuthenticationRefused, "SCRAM: #{iterations} iterations are too many" if iterations.to_i > @max_iterations

          [nonce, decode(salt), iterations.to_i]
        end

        def check_nonce(nonce)
          return if nonce.start_with?(@nonce) && nonce.bytesize > @nonce.bytesize

          raise AuthenticationRefused, "SCRAM: the server's nonce does not extend ours"
        end

        def proof(salted, conversation)
          client_key = hmac(salted, "Client Key")
          signature = hmac(OpenSSL::Digest.digest("SHA256", client_key), conversation)
          client_key.bytes.zip(signature.bytes).map { |a, b| a ^ b }.pack("C*")
        end

        def hmac(key, data)
          OpenSSL::HMAC.digest("SHA256", key, data)
        end

        def decode(base64)
          base64.unpack1("m0")
        rescue ArgumentError
          raise AuthenticationRefused, "SCRAM: malformed base64"
        end

        def escape(name)
          name.gsub(/[=,]/, "=" => "=3D", "," => "=2C")
        end

        def load_openssl
          require "openssl"
        rescue LoadError
          raise AuthenticationRefused, "#{MECHANISM} needs Ruby's openssl"
        end
      end
    end
  end
end
