# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

module EventMachine
  class << self
    # Listens, and creates an object of the handler's class for each accepted connection.
    #
    # @param server [String] a host name, which stands for all its addresses; or an address, "" for all of IPv4; or the
    #   path of a Unix-domain socket, whose file is replaced if no process serves it any more; "\0name" is an abstract
    #   one (Linux)
    # @param port [Integer, String, nil] 0 for one that the system chooses (see {get_sockname}); omitted for a
    #   Unix-domain socket, whose handler may take its place
    # @param handler [Class, Module, nil] see {klass_from_handler}
    # @param args passed to the handler's `initialize`. With `tls: EM::TLS.new(…)` as the last one, which is not passed,
    #   TLS is started before `initialize`. If the handler has no `initialize` method, a Hash of options for
    #   {Connection#start_tls} or true will do. Mistakes in them raise here
    # @yieldparam connection [Connection] each new connection, after its `post_init`
    # @return [Integer] the server's signature, for {stop_server}
    # @raise [RuntimeError] if it cannot listen there
    # @raise [ArgumentError, TypeError] for an unsuitable handler; nothing is opened then
    def start_server(server, port = nil, handler = nil, *args, &block)
      port, handler, args = split_port(port, handler, args)
      tls, handler, args = split_tls(handler, args)
      klass = klass_from_handler(Connection, handler, *args)
      tls&.context(true)
      signature = port ? start_tcp_server(server, port) : start_unix_server(server)
      @acceptors[signature] = tls ? [klass, args, block, nil, tls] : [klass, args, block]
      signature
    end
    ruby2_keywords :start_server

    # Listens on a Unix-domain socket.
    # @see start_server
    def start_unix_domain_server(filename, *args, &block)
      start_server(filename, nil, *args, &block)
    end
    ruby2_keywords :start_unix_domain_server

    # Serves a socket that is bound and listening already. Several processes may share it: each accepts one connection
    # per turn, so that clients do not wait for a busy process while another one is idle.
    # `set_simultaneous_accept_count` changes that.
    #
    # @param sock [#fileno, Integer] closed when the server stops, unless it is an Integer
    # @return [Integer] the server's signature
    # @raise [RuntimeError] if it is not a listening socket
    # @see start_server
    def attach_server(sock, handler = nil, *args, &block)
      tls, handler, args = split_tls(handler, args)
      klass = klass_from_handler(Connection, handler, *args)
      tls&.context(true)
      signature = attach_sd(sock.respond_to?(:fileno) ? sock.fileno : sock)
      @acceptors[signature] = tls ? [klass, args, block, sock, tls] : [klass, args, block, sock]
      signature
    end
    ruby2_keywords :attach_server

    # Stops listening. Accepted connections stay open.
    #
    # @param signature [Integer] what {start_server} has returned
    # @return [nil]
    # @raise [RuntimeError] if there is no such server
    def stop_server(signature)
      socket = @acceptors[signature]&.at(3)
      stop_tcp_server(signature)
      close_attached_sockets([socket])
    end

    private

    # Closes the IO objects themselves, so that they know they are closed.
    def close_attached_sockets(sockets)
      sockets.each do |socket|
        socket.close if socket.respond_to?(:close)
      rescue IOError, SystemCallError
        next
      end
      nil
    end
  end
end
