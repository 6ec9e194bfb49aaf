# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "ipaddr"
require "socket"

module EventMachine
  module DNS
    # The requests that are in progress, and the timer that repeats them. The questions themselves are sent by the
    # library, each from a socket of its own, because a port that is used again and again can be guessed.
    class Socket < EventMachine::Connection
      # Seconds between two calls of {#tick}.
      TICK = 0.1

      # @return [Socket] a new one, without requests
      def self.open
        allocate.tap(&:post_init)
      end

      # Begins without requests.
      def post_init
        @requests = {}
        @timer = nil
        @nameserver = nil
        @datagrams = nil
      end

      # Sets the name server that this socket asks, in place of those of {Resolver.nameservers}.
      # @param address [String]
      def nameserver=(address)
        @nameserver = address
      end

      # @return [String, nil] the one that was set, or one of {Resolver.nameservers} at random
      def nameserver
        @nameserver || Resolver.nameserver
      end

      # Sends a datagram to the name server, port 53. What the name server sends back goes to {#receive_data}.
      # @param bytes [String]
      # @return [Integer] the number of bytes
      # @raise [EventMachine::Unsupported] if the library has no datagram sockets
      def send_packet(bytes)
        unless EventMachine.respond_to?(:open_datagram_socket)
          raise EventMachine::Unsupported, "this library has no datagram sockets"
        end

        server = nameserver
        any = server.include?(":") ? "::" : "0.0.0.0"
        @datagrams ||= EventMachine.open_datagram_socket(any, 0, Datagrams, self, server)
        @datagrams.send_datagram(bytes, server, 53)
      end

      # Passes on what one name server sends.
      # @private
      class Datagrams < EventMachine::Connection
        def initialize(owner, server)
          super()
          @owner = owner
          @server = IPAddr.new(server)
        end

        def receive_data(bytes)
          port, host = ::Socket.unpack_sockaddr_in(get_peername)
          @owner.receive_data(bytes) if port == 53 && IPAddr.new(host) == @server
        end
      end

      # Passes an answer to the request with its id. What cannot be decoded or is not wanted is ignored.
      # @param bytes [String]
      def receive_data(bytes)
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

      # Runs only while there are requests.
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
    end
  end
end
