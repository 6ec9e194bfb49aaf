# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "eventmachine"
require "em/protocols/socks/target"
require "em/protocols/socks/negotiation"

module EventMachine
  module Protocols
    # A connection through a SOCKS 5 proxy (RFC 1928), without authentication or with user name and password (RFC 1929).
    # The proxy resolves names.
    #
    #   EM.connect("proxy.example", 1080, Client, "target.example", 7)
    #   EM.connect("proxy.example", 1080, Client, "::1", 7, username: "ann", password: "secret")
    #
    # It is used like {Socks4}: `post_init` is called when the proxy has granted the connection, and `receive_data` from
    # then on. If the proxy refuses, only `unbind` is called, and {#socks_error} is the reason.
    class Socks5 < Connection
      include Socks::Negotiation

      VERSION = 5
      AUTHENTICATION_VERSION = 1
      NO_AUTHENTICATION = 0
      PASSWORD = 2
      NO_METHOD = 0xff
      CONNECT = "\x05\x01\0".b.freeze
      IPV4 = 1
      NAME = 3
      IPV6 = 4
      private_constant :VERSION, :AUTHENTICATION_VERSION, :NO_AUTHENTICATION, :PASSWORD, :NO_METHOD, :CONNECT, :IPV4, :NAME, :IPV6

      # The names of the reply codes (RFC 1928, section 6) in {#socks_error}.
      ERRORS = {
        1 => :general_failure, 2 => :not_allowed, 3 => :network_unreachable, 4 => :host_unreachable, 5 => :connection_refused,
        6 => :ttl_expired, 7 => :command_not_supported, 8 => :address_type_not_supported
      }.freeze

      # @!attribute [r] socks_error_code
      #   @return [Integer, nil] the code of the reply with which the proxy refused; its status if authentication
      #     failed; 255 if the proxy accepts none of the authentication methods

      # @!attribute [r] socks_error
      #   @return [Symbol, nil] one of {ERRORS}; `:unknown` for any other code; `:no_acceptable_method`;
      #     `:authentication_failed`; or `:invalid_reply`, without a code, if the reply is not SOCKS 5

      # Classes that override this call `super`.
      #
      # @param host [#to_s] an IPv4 or IPv6 address or a name
      # @param port [Integer, String]
      # @param options [Hash{Symbol => #to_s}] `:username` and `:password`, both of 1 to 255 bytes, or neither
      # @raise [ArgumentError] for an unsuitable host, port or option
      def initialize(host, port, options = {})
        super
        @socks_target = Socks::Target.new(host, port)
        @socks_credentials = check_credentials(options)
        socks_suspend(:socks_read_method)
      end

      private

      def check_credentials(options)
        unknown = options.keys - %i[username password]
        raise ArgumentError, "unknown options: #{unknown.join(', ')}" unless unknown.empty?

        credentials = options.values_at(:username, :password)
        return if credentials.none?

        credentials.map { |text| text.to_s.b }.each do |text|
          raise ArgumentError, "user name and password must have 1 to 255 bytes each" unless text.bytesize.between?(1, 255)
        end
      end

      def socks_request
        methods = [NO_AUTHENTICATION]
        methods << PASSWORD if @socks_credentials
        send_data([VERSION, methods.size, *methods].pack("C*"))
      end

      def socks_read_method
        reply = socks_take(2)
        return unless reply

        version, method = reply.unpack("CC")
        return socks_refuse(:invalid_reply) unless version == VERSION
        return socks_refuse(:no_acceptable_method, method) if method == NO_METHOD

        socks_follow(method)
      end

      # @return [Symbol, nil]
      def socks_follow(method)
        return socks_connect if method == NO_AUTHENTICATION
        return socks_authenticate if method == PASSWORD && @socks_credentials

        socks_refuse(:invalid_reply)
      end

      def socks_authenticate
        username, password = @socks_credentials
        send_data([AUTHENTICATION_VERSION, username.bytesize, username, password.bytesize, password].pack("CCa*Ca*"))
        @socks_step = :socks_read_status
      end

      def socks_read_status
        reply = socks_take(2)
        return unless reply

        version, status = reply.unpack("CC")
        return socks_refuse(:invalid_reply) unless version == AUTHENTICATION_VERSION
        return socks_refuse(:authentication_failed, status) unless status.zero?

        socks_connect
      end

      def socks_connect
        send_data(CONNECT + socks_address + @socks_target.port)
        @socks_step = :socks_read_reply
      end

      def socks_address
        return [IPV4, @socks_target.address].pack("Ca*") if @socks_target.ipv4?
        return [IPV6, @socks_target.address].pack("Ca*") if @socks_target.ipv6?

        [NAME, @socks_target.name.bytesize, @socks_target.name].pack("CCa*")
      end

      # A refusal may be truncated, but it contains the code.
      def socks_read_reply
        return if @socks_buffer.bytesize < 2

        version, code = @socks_buffer.unpack("CC")
        return socks_refuse(:invalid_reply) unless version == VERSION
        return socks_refuse(ERRORS.fetch(code, :unknown), code) unless code.zero?

        size = socks_reply_size
        socks_grant if size && socks_take(size)
      end

      # @return [Integer, nil] the size in bytes, which depends on the type of the address
      def socks_reply_size
        case @socks_buffer.getbyte(3)
        when IPV4 then 10
        when IPV6 then 22
        when NAME then (length = @socks_buffer.getbyte(4)) && 7 + length
        when nil then nil
        else socks_refuse(:invalid_reply)
        end
      end
    end
  end
end
