# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "digest/md5"

module EventMachine
  module Protocols
    class Postgres3 < Connection
      # Replies to the server's authentication requests. Only one exchange by one method is allowed. With SCRAM, the
      # server must also prove that it knows the password before it may accept the user.
      class Authentication
        OK = 0
        CLEAR_TEXT = 3
        CRYPT = 4
        MD5 = 5
        SASL = 10
        SASL_CONTINUE = 11
        SASL_FINAL = 12
        STEPS = {
          OK => :accept, CLEAR_TEXT => :clear_text, CRYPT => :crypt, MD5 => :md5,
          SASL => :sasl, SASL_CONTINUE => :sasl_continue, SASL_FINAL => :sasl_final
        }.freeze
        KINDS = { 2 => "Kerberos V5", 6 => "SCM", 7 => "GSSAPI", 9 => "SSPI" }.freeze
        # The names that {Postgres3#require_auth} accepts.
        METHODS = %i[none password crypt md5 scram_sha_256].freeze

        # @param user [String]
        # @param password [String, nil]
        # @param allowed [Array<Symbol>] of METHODS
        # @param max_iterations [Numeric] of SCRAM
        def initialize(user, password, allowed: METHODS, max_iterations: 100_000)
          @user = user
          @password = password
          @allowed = allowed
          @max_iterations = max_iterations
          @complete = false
        end

        # @return [Boolean] whether the server has accepted the user
        def complete?
          @complete
        end

        # Does not show the password.
        def inspect
          "#<#{self.class}>"
        end

        # @param payload [String] of an Authentication message
        # @return [String, nil] the message to send
        # @raise [ProtocolError]
        def reply_to(payload)
          request = Payload.new(payload)
          kind = request.int32
          step = STEPS[kind] or raise AuthenticationRefused, "unsupported authentification: #{KINDS.fetch(kind, kind)}"
          raise AuthenticationRefused, "authentication is already complete" if @complete

          reply = send(step, request)
          request.finish
          reply
        end

        private

        def accept(_request)
          begin_with(:none) unless @method
          raise AuthenticationRefused, "the server did not prove its identity" if @scram && !@scram.verified?

          @complete = true
          nil
        end

        def clear_text(_request)
          begin_with(:password)
          Requests.password(password)
        end

        def crypt(request)
          begin_with(:crypt)
          Requests.password(password.crypt(request.take(2)))
        rescue ArgumentError, SystemCallError
          raise AuthenticationRefused, "unsupported authentification: crypt"
        end

        def md5(request)
          begin_with(:md5)
          secret = Digest::MD5.hexdigest(password.b + @user.b)
          Requests.password("md5#{Digest::MD5.hexdigest(secret + request.take(4))}")
        end

        def sasl(request)
          begin_with(:scram_sha_256)
          choose_mechanism(request)
          @scram = Scram.new(password, max_iterations: @max_iterations)
          Requests.sasl_initial(Scram::MECHANISM, @scram.first_message)
        end

        # Allowed once: each challenge costs the reactor as many iterations as the server demands.
        def sasl_continue(request)
          raise AuthenticationRefused, "the server sent a second SASL challenge" if @challenged

          @challenged = true
          Requests.sasl(scram.final_message(request.rest))
        end

        def sasl_final(request)
          scram.verify(request.rest)
          nil
        end

        def choose_mechanism(request)
          offered = []
          until (mechanism = request.string).empty?
            offered << mechanism
          end
          return if offered.include?(Scram::MECHANISM)

          raise AuthenticationRefused, "unsupported authentification: #{offered.join(', ')}"
        end

        def scram
          @scram or raise AuthenticationRefused, "the server continues a SASL exchange that has not begun"
        end

        def begin_with(method)
          raise AuthenticationRefused, "the server demanded a second authentication" if @method
          raise AuthenticationRefused, "authentication #{method} is not allowed" unless @allowed.include?(method)

          @method = method
        end

        def password
          @password or raise AuthenticationRefused, "no password specified"
        end
      end
    end
  end
end
