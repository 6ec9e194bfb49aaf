# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "em/datagram_names"

module EventMachine
  class << self
    # Opens a UDP socket. Its handler's `receive_data` is called once for each datagram, which may be empty.
    # {Connection#get_peername} is then its sender, {Connection#send_data} answers it, and {Connection#send_datagram}
    # sends to any address. There is no connection, so `connection_completed` is not called. May be called on any
    # thread.
    #
    # Another program of this user can bind the same port and take over its datagrams, as in 1.x (SO_REUSEADDR).
    #
    # @param address [String] an address of this machine; "0.0.0.0" or "": all of IPv4; "::": all. The call waits while
    #   a name is looked up
    # @param port [#to_i] 0: the system chooses
    # @param handler [Class, Module, nil] see {klass_from_handler}
    # @param args passed to the handler's `initialize`
    # @yieldparam connection [Connection] the new object, after its `post_init`
    # @return [Connection]
    # @raise [RuntimeError] "no datagram socket" if the socket cannot be opened or bound
    # @raise [ArgumentError, TypeError] for an unsuitable handler; nothing is opened then
    def open_datagram_socket(address, port, handler = nil, *args, &block)
      klass = klass_from_handler(Connection, handler, *args)
      by_other_thread = !reactor_thread?
      signature = open_udp_socket(DatagramNames.to_bind(address), port.to_i)
      connection = make_connection(klass, signature, args)
      finish_connection(connection, signature, by_other_thread, &block)
    end
    ruby2_keywords :open_datagram_socket

    # @see Connection#send_datagram
    # @param signature [Integer] a datagram socket's
    # @param data [String]
    # @param length [Integer] how many bytes of it to send
    # @param address [String]
    # @param port [Integer]
    # @return [Integer] how many bytes were queued
    def send_datagram(signature, data, length, address, port)
      send_to_literal(signature, data, length, address, port) ||
        @datagram_names.send_datagram(signature, data.byteslice(0, length), address, port)
    end

    private

    # Called by the extension.
    def datagram_name_resolved(name, addresses)
      @datagram_names.resolved(name, addresses)
    end
  end

  @datagram_names = DatagramNames.new

  class Connection
    # Sends a datagram from a datagram socket. Those for one address leave in the order in which they were sent.
    #
    # An address never waits for a lookup. A name is taken from the hosts file, or from what was looked up in the last
    # minute. Other names are resolved in the background, and the datagram is sent afterwards, without delaying others;
    # if that fails, it is dropped, and for some seconds the name raises. A datagram that the system refuses to send,
    # because it is too large for instance, ends the socket, and unbind gets the Errno class, as in 1.x.
    #
    # @param data [#to_s] may be empty
    # @param address [String] an address or a name; "": nothing is sent
    # @param port [Integer, String] 0: nothing is sent
    # @return [Integer] how many bytes were queued
    # @raise [ConnectionError] "error in sending datagram": the name cannot be resolved, the address is of another
    #   family than the socket, too much is queued, or this is no datagram socket, or it is gone
    # @raise [ArgumentError] unless the port is a number
    def send_datagram(data, address, port)
      data = data.to_s
      EventMachine.send_datagram(@signature, data, data.bytesize, address, Integer(port))
    end
  end
end
