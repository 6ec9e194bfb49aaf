# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "ipaddr"
require "socket"
require "eventmachine"
require "em/protocols/socks/target"
require "em/protocols/socks/negotiation"

module EventMachine
  module Protocols
    # A connection through a SOCKS 4 proxy, which supports IPv4 addresses only. Names are resolved locally, on a thread
    # of {EventMachine.defer}. With {Socks5}, the proxy resolves them.
    #
    #   class Client < EM::P::Socks4
    #     def post_init # the target is connected
    #       send_data("hello\n")
    #     end
    #
    #     def unbind(reason = nil)
    #       warn("refused: #{socks_error}") if socks_error
    #     end
    #   end
    #
    #   EM.connect("proxy.example", 1080, Client, "target.example", 7)
    #
    # `post_init` is called when the proxy has granted the connection, and `receive_data` from then on.
    # `connection_completed` is called earlier, when the connection to the proxy is established; `unbind` when it ends.
    # A proxy that never replies is detected only if `comm_inactivity_timeout` is set.
    class Socks4 < Connection
      include Socks::Negotiation

      GRANTED = 90
      # The names of the reply codes in {#socks_error}.
      ERRORS = { 91 => :rejected, 92 => :identd_unreachable, 93 => :identd_mismatch }.freeze
      # SOCKS 4a proxies take an address in this network as a sign that a name follows.
      NOWHERE = "\0\0\0".b.freeze
      LOOPBACK = "\x7F\0\0\x01".b.freeze
      private_constant :GRANTED, :NOWHERE, :LOOPBACK

      # @!attribute [r] socks_error_code
      #   @return [Integer, nil] the code of the reply with which the proxy refused

      # @!attribute [r] socks_error
      #   @return [Symbol, nil] `:rejected`, `:identd_unreachable`, `:identd_mismatch`, or `:unknown` for any other
      #     code; without a code, `:unknown_host` if the name has no IPv4 address, and `:invalid_reply` if the proxy
      #     sent data before the request

      # Classes that override this call `super`.
      #
      # @param host [#to_s] an IPv4 address or a name
      # @param port [Integer, String]
      # @raise [ArgumentError] for an IPv6 address, which SOCKS 4 cannot express, a name of more than 255 bytes, or a
      #   port out of range
      def initialize(host, port)
        super
        @socks_target = Socks::Target.new(host, port)
        raise ArgumentError, "SOCKS 4 does not support IPv6: #{host}" if @socks_target.ipv6?
        raise ArgumentError, "SOCKS 4 cannot express the address #{host}" if @socks_target.address&.start_with?(NOWHERE)

        socks_suspend(:socks_read_early)
      end

      private

      def socks_request
        address = @socks_target.address || (LOOPBACK if @socks_target.localhost?)
        return socks_connect(address) if address

        connection = @signature
        EventMachine.defer(-> { socks_resolve(@socks_target.name) },
                           ->(found) { socks_connect(found) unless @socks_error || @signature != connection })
      end

      # Runs on another thread.
      # @return [String, nil] four bytes
      def socks_resolve(name)
        found = Addrinfo.getaddrinfo(name, nil, :INET, :STREAM)
        IPAddr.new(found.first.ip_address).hton
      rescue SocketError
        nil
      end

      def socks_connect(address)
        return socks_refuse(:unknown_host) unless address

        @socks_step = :socks_read_reply
        send_data("\x04\x01".b << @socks_target.port << address << "\0")
      end

      def socks_read_early
        socks_refuse(:invalid_reply) unless @socks_buffer.empty?
      end

      # Only the second byte has a meaning; the first one is 0.
      def socks_read_reply
        reply = socks_take(8)
        return unless reply

        code = reply.getbyte(1)
        code == GRANTED ? socks_grant : socks_refuse(ERRORS.fetch(code, :unknown), code)
      end
    end
  end
end
