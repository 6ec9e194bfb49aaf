# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "digest/md5"

module EventMachine
  module Protocols
    module Postgres
      autoload :ScramSha256, "em/protocols/postgres/scram_sha256"

      # How a client answers to the server's requests for authentication: no password, in the clear, MD5, SCRAM-SHA-256.
      # @private
      class Authentication
        # The login cannot go on.
        class Failure < StandardError; end

        OK = 0
        CLEAR_TEXT = 3
        MD5 = 5
        SASL = 10
        SASL_CONTINUE = 11
        SASL_FINAL = 12

        # @param user [String]
        # @param password [String, nil]
        def initialize(user, password)
          @user = user
          @password = password
          @complete = false
        end

        # Whether the server has let us in.
        def complete?
          @complete
        end

        # @param payload [Payload] of an Authentication message
        # @return [String, nil] the message to send
        # @raise [Failure] if it cannot go on
        def reply_to(payload)
          case payload.int32
          when OK then complete
          when CLEAR_TEXT then Outgoing.password(password)
          when MD5 then Outgoing.password(md5(payload.bytes(4)))
          when SASL then begin_scram(payload)
          when SASL_CONTINUE then scram { |scram| Outgoing.sasl(scram.final_message(payload.rest)) }
          when SASL_FINAL then scram { |scram| scram.verify(payload.rest) && nil }
          else raise Failure, "unsupported authentification"
          end
        end

        private

        def password
          @password or raise Failure, "no password specified"
        end

        # A server that began SCRAM has to finish it, or anybody could stand in for it.
        def complete
          raise Failure, "the server has not proven that it knows the password" if @scram && !@scram.verified?

          @complete = true
          nil
        end

        def md5(salt)
          inner = Digest::MD5.hexdigest(password.b + @user.b)
          "md5#{Digest::MD5.hexdigest(inner + salt)}"
        end

        def begin_scram(payload)
          mechanisms = []
          until (mechanism = payload.text).empty?
            mechanisms << mechanism
          end
          raise Failure, "unsupported authentification" unless mechanisms.include?("SCRAM-SHA-256")

          @scram = ScramSha256.new(password)
          Outgoing.sasl_initial(ScramSha256::NAME, @scram.first_message)
        end

        def scram
          raise Failure, "unexpected authentication message" unless @scram

          yield @scram
        rescue ScramSha256::Failure => e
          raise Failure, e.message
        end
      end
    end
  end
end
