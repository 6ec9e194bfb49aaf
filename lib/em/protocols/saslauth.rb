# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "em/deferrable"
require "em/protocols/limits"
require "em/protocols/saslauth/fields"
require "em/protocols/saslauth/client"

module EventMachine
  module Protocols
    # The server's side of the saslauthd protocol. Mail servers and others use it to check a user's password. They
    # connect to a Unix-domain socket, usually `/var/run/saslauthd/mux`.
    #
    # Include it in a connection and define {#validate}. A class that defines `post_init` must call `super`. A peer that
    # exceeds a limit is disconnected.
    module SASLauth
      extend Limits

      # The longest field that is read, in bytes.
      MaxFieldSize = 1024

      # @!attribute max_field_bytes
      #   @return [Integer] bytes; {MaxFieldSize} unless set
      limit :max_field_bytes, MaxFieldSize

      # @!attribute max_unread_answers
      #   @return [Integer] bytes of replies that a client may leave unread while it sends requests; 64 KiB unless set
      limit :max_unread_answers, 64 << 10

      # @private
      def post_init
        super
        @saslauth_fields = @saslauth_request = nil
      end

      # Decides whether a password is correct. Called once for each request, in order. By default, every request is
      # rejected. If this method raises, the reply is NO.
      # @param user [String] binary, as are all arguments
      # @param password [String]
      # @param service [String] such as "smtp"; may be empty
      # @param realm [String] may be empty
      # @return [Object] if truthy, the reply is OK, otherwise NO
      def validate(user, password, service, realm)
        false
      end

      # @private
      def receive_data(data)
        saslauth_unread > max_unread_answers ? close_connection : saslauth_read(data)
      end

      private

      # If a validation raises, the requests that follow are read in the next turn.
      def saslauth_read(data)
        @saslauth_fields ||= SASLauthFields.new
        @saslauth_fields.add(data, max_field_bytes) do |field|
          (@saslauth_request ||= []) << field
          reply_to_request if @saslauth_request.size == 4
        end
        done = true
      rescue SASLauthFields::TooLong
        done = true
        close_connection
      ensure
        EventMachine.next_tick { receive_data("") } unless done
      end

      # Every request gets a reply; otherwise the client would take the next reply for its own.
      def reply_to_request
        request = @saslauth_request
        @saslauth_request = []
        valid = validate(*request)
      ensure
        send_data(SASLauthFields.pack(valid ? "OK" : "NO"))
      end

      def saslauth_unread
        respond_to?(:get_outbound_data_size) ? get_outbound_data_size : 0
      end
    end
  end
end
