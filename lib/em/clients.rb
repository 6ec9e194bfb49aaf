# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

module EventMachine
  class << self
    # Opens a connection. Returns at once; the object's `connection_completed` or `unbind` is called later. Any
    # thread: the reactor calls the object only when `initialize`, `post_init` and the block have returned.
    #
    # @param server [String] a host name or address; or the path of a Unix-domain socket
    # @param port [Integer, String, nil] for a Unix-domain socket left out, or the handler in its place
    # @param handler [Class, Module, nil] see {klass_from_handler}
    # @param args what the handler's `initialize` gets
    # @yieldparam connection [Connection] the new object, after its `post_init`
    # @return [Connection]
    # @raise [ConnectionError] what is known to be wrong without asking the network: malformed addresses and names, a
    #   name under `.invalid`, a port out of range
    # @raise [ArgumentError, TypeError] for an unsuitable handler; nothing was opened then
    def connect(server, port = nil, handler = nil, *args, &block)
      bind_connect(nil, nil, server, port, handler, *args, &block)
    end
    ruby2_keywords :connect

    # The same from a local address of one's choice; for Unix-domain sockets that is ignored. A name is resolved without
    # blocking, like the server's; the address of the server's family (IPv4 or IPv6) is used. If the name does not
    # resolve, `unbind` gets `Errno::EADDRNOTAVAIL` (under `.invalid` it raises at once); if no address is of the
    # server's family, `Errno::EAFNOSUPPORT`.
    #
    # @param bind_addr [String, nil] a name or an address; nil: as the system chooses
    # @param bind_port [Integer, String, nil] nil: as the system chooses
    # @see connect
    def bind_connect(bind_addr, bind_port, server, port = nil, handler = nil, *args, &block)
      port, handler, args = split_port(port, handler, args)
      klass = klass_from_handler(Connection, handler, *args)
      by_other_thread = !reactor_thread?
      signature = open_connection(bind_addr, bind_port, server, port)
      connection = make_connection(klass, signature, args)
      finish_connection(connection, signature, by_other_thread, &block)
    end
    ruby2_keywords :bind_connect

    # Opens a connection to a Unix-domain socket.
    # @raise [RuntimeError] if nobody listens there
    # @see connect
    def connect_unix_domain(socketname, *args, &block)
      connect(socketname, nil, *args, &block)
    end
    ruby2_keywords :connect_unix_domain

    # Gives an existing object a new connection and a new signature, without calling `initialize` or `post_init` again.
    # While it is still connected nothing happens. In `unbind` this is the way to connect again.
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
      assign_to_handler(handler, signature)
      finish_connection(handler, signature, by_other_thread, &block)
    end

    private

    def open_connection(bind_addr, bind_port, server, port)
      return connect_unix_server(server) unless port
      return connect_server(server, port) unless bind_addr

      bind_connect_server(bind_addr, bind_port.to_i, server, port)
    end

    # A connection whose object could not be made gets no callback.
    def make_connection(klass, signature, args)
      connection = assign_connection(signature, klass.new(signature, *args))
    ensure
      discard_connection(signature) unless connection
    end

    def assign_to_handler(handler, signature)
      handler.signature = signature
      assigned = assign_connection(signature, handler)
    ensure
      discard_connection(signature) unless assigned
    end

    # From now on the reactor calls the object, whatever becomes of the block.
    def finish_connection(connection, signature, by_other_thread)
      yield connection if block_given?
      connection
    ensure
      complete_connection(signature, connection, by_other_thread)
    end
  end
end
