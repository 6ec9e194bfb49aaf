# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

module EventMachine
  class << self
    # Opens a connection. Returns at once; the object's `connection_completed` or `unbind` is called later. May be
    # called on any thread: the reactor calls the object only after `initialize`, `post_init` and the block have
    # returned.
    #
    # @param server [String] a host name or address; or the path of a Unix-domain socket
    # @param port [Integer, String, nil] omitted for a Unix-domain socket, whose handler may take its place
    # @param handler [Class, Module, nil] see {klass_from_handler}
    # @param args passed to the handler's `initialize`. With `tls: EM::TLS.new(…)` as the last one, which is not passed,
    #   TLS is started before `initialize`. If the handler has no `initialize` method, a Hash of options for
    #   {Connection#start_tls} or true will do. Clients verify the server unless the options say otherwise
    # @yieldparam connection [Connection] the new object, after its `post_init`
    # @return [Connection]
    # @raise [ConnectionError] for errors that are known without the network: malformed addresses and names, a name
    #   under `.invalid` or `.onion`, a port out of range
    # @raise [ArgumentError, TypeError] for an unsuitable handler; nothing is opened then
    def connect(server, port = nil, handler = nil, *args, &block)
      bind_connect(nil, nil, server, port, handler, *args, &block)
    end
    ruby2_keywords :connect

    # Opens a connection from a given local address, which is ignored for Unix-domain sockets. A name is resolved
    # without blocking, like the server's, and its address of the server's family (IPv4 or IPv6) is used. If the name
    # does not resolve, the reason of `unbind` is `Errno::EADDRNOTAVAIL` (a name under `.invalid` raises at once). If no
    # address is of the server's family, it is `Errno::EAFNOSUPPORT`.
    #
    # @param bind_addr [String, nil] a name or an address; nil: the system chooses
    # @param bind_port [Integer, String, nil] nil: the system chooses
    # @see connect
    def bind_connect(bind_addr, bind_port, server, port = nil, handler = nil, *args, &block)
      port, handler, args = split_port(port, handler, args)
      tls, handler, args = split_tls(handler, args)
      klass = klass_from_handler(Connection, handler, *args)
      by_other_thread = !reactor_thread?
      signature = open_connection(bind_addr, bind_port, server, port)
      variables = { "@em_tls": tls } if tls
      connection = make_connection(klass, signature, args, variables) { tls&.start(signature, port && server) }
      finish_connection(connection, signature, by_other_thread, &block)
    end
    ruby2_keywords :bind_connect

    # Opens a connection to a Unix-domain socket.
    # @raise [RuntimeError] if no server listens there
    # @see connect
    def connect_unix_domain(socketname, *args, &block)
      connect(socketname, nil, *args, &block)
    end
    ruby2_keywords :connect_unix_domain

    # Gives an existing object a new connection and a new signature, without calling `initialize` or `post_init` again.
    # Does nothing while it is still connected. Call this in `unbind` to connect again. If the object was connected with
    # `tls:`, TLS is started again.
    #
    # @param server [String] as for {connect}
    # @param port [Integer, String, nil] as for {connect}
    # @param handler [Connection]
    # @yieldparam connection [Connection] the object, unless it was still connected
    # @return [Connection] the object
    # @raise [RuntimeError] if the object is not a connection
    # @raise [ConnectionError] as {connect}
    def reconnect(server, port, handler, &block)
      raise "invalid handler" unless handler.respond_to?(:connection_completed, true)
      return handler if @conns.key?(handler.signature)

      by_other_thread = !reactor_thread?
      signature = open_connection(nil, nil, server, port && Integer(port))
      assign_to_handler(handler, signature, port && server)
      finish_connection(handler, signature, by_other_thread, &block)
    end

    private

    def open_connection(bind_addr, bind_port, server, port)
      return connect_unix_server(server) unless port
      return connect_server(server, port) unless bind_addr

      bind_connect_server(bind_addr, bind_port.to_i, server, port)
    end

    # If the object cannot be created, or is frozen and cannot get its variables, the connection is closed without a
    # callback.
    def make_connection(klass, signature, args, variables = nil)
      yield if block_given?
      made = assign_connection(signature, klass.new(signature, *args))
      variables&.each { |name, value| made.instance_variable_set(name, value) }
      connection = made
    ensure
      discard_connection(signature) unless connection
    end

    def assign_to_handler(handler, signature, host)
      handler.instance_variable_get(:@em_tls)&.start(signature, host)
      handler.signature = signature
      assigned = assign_connection(signature, handler)
    ensure
      discard_connection(signature) unless assigned
    end

    # From now on the reactor calls the object, even if the block raises.
    def finish_connection(connection, signature, by_other_thread)
      yield connection if block_given?
      connection
    ensure
      complete_connection(signature, connection, by_other_thread)
    end
  end
end
