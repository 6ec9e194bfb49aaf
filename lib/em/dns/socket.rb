# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "ipaddr"
require "set"
require "socket"

module EventMachine
  module DNS
    # The requests that are in progress, the timer that repeats them, and a datagram socket for the program. The library
    # sends the questions of the requests, each from a port of its own, because a port that is used again and again can
    # be guessed.
    class Socket < EventMachine::Connection
      # Seconds between two calls of {#tick}.
      TICK = 0.1
      # Where name servers listen.
      PORT = 53
      # A name server with a port.
      WITH_PORT = /\A(?:\[(?<host>.+)\]|(?<host>[^:]+)):(?<port>\d+)\z/.freeze

      # @return [Socket] a new one on a free port, without requests
      # @raise [RuntimeError] if no reactor runs, or there are no descriptors
      def self.open
        EventMachine.open_datagram_socket("0.0.0.0", 0, self)
      end

      # Begins without requests.
      def post_init
        @requests = {}
        @timer = nil
        @nameserver = nil
        @asked = Set.new
        @ipv6 = nil
        @open = true
      end

      # The requests go on without it: they need only its timer.
      def unbind
        @open = false
        @ipv6&.close_connection
        stop_timer unless EventMachine.reactor_running? && !EventMachine.stopping?
      end

      # @return [Boolean] whether {#send_packet} is possible
      # @private
      def open?
        @open
      end

      # Sets the name server that this socket asks, instead of those of {Resolver.nameservers}.
      # @param address [String]
      def nameserver=(address)
        @nameserver = address
      end

      # @return [String, nil] the one that was set, or one of {Resolver.nameservers} at random
      def nameserver
        @nameserver || Resolver.nameserver
      end

      # Sends a datagram to the name server: to port 53, unless its address has another one. What this name server sends
      # back goes to the request with the same id.
      # @param bytes [String]
      # @return [Integer] the number of bytes
      # @raise [RuntimeError] if no name server is configured
      # @raise [ArgumentError] if its address is malformed
      def send_packet(bytes)
        server = nameserver or raise "no name server is configured"
        parts = WITH_PORT.match(server)
        host = parts ? parts[:host] : server
        port = parts ? parts[:port].to_i : PORT
        address = IPAddr.new(host)
        @asked << [address.hton, port]
        (address.ipv6? ? ipv6 : self).send_datagram(bytes, host, port)
      end

      # Name servers with IPv6 addresses need a socket of that family.
      # @private
      class IPv6 < EventMachine::Connection
        def initialize(owner)
          super()
          @owner = owner
        end

        def receive_data(bytes)
          @owner.receive_from(get_peername, bytes)
        end
      end

      # @param bytes [String] a datagram
      def receive_data(bytes)
        receive_from(get_peername, bytes)
      end

      # Passes an answer to the request with its id. What comes from somebody else, cannot be decoded or is not wanted
      # is ignored.
      # @private
      def receive_from(peer, bytes)
        port, host = ::Socket.unpack_sockaddr_in(peer)
        return unless @asked.include?([IPAddr.new(host).hton, port])

        message = Resolv::DNS::Message.decode(bytes)
        @requests[message.id]&.receive_answer(message)
      rescue Resolv::DNS::DecodeError, EncodingError, ArgumentError, NoMethodError
        nil
      end

      # @param id [Integer]
      # @param req [Request]
      # @raise [RequestIdAlreadyUsed] if the id belongs to another request
      def register_request(id, req)
        raise RequestIdAlreadyUsed, "the id #{id} is used by another request" if @requests.key?(id)

        @requests[id] = req
        start_timer
      end

      # @param id [Integer]
      # @param req [Request]
      def deregister_request(id, req)
        @requests.delete(id) if @requests[id].equal?(req)
        stop_timer if @requests.empty?
      end

      # Starts the timer, which runs only while there are requests.
      # @return [void]
      def start_timer
        @timer ||= EventMachine.add_periodic_timer(TICK) { tick }
      end

      # @return [void]
      def stop_timer
        EventMachine.cancel_timer(@timer) if @timer && EventMachine.reactor_running?
        @timer = nil
      end

      # Lets each request repeat its question.
      def tick
        @requests.values.each(&:tick)
      end

      private

      def ipv6
        @ipv6 ||= EventMachine.open_datagram_socket("::", 0, IPv6, self)
      end
    end
  end
end
