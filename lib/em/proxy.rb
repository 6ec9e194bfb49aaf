# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

module EventMachine
  # @!method self.start_proxy(from, to, bufsize, length)
  #   {enable_proxy} by signatures.
  #   @return [nil]

  # @!method self.stop_proxy(from)
  #   {disable_proxy} by signature.
  #   @return [nil]

  # @!method self.get_proxied_bytes(from)
  #   {Connection#get_proxied_bytes} by signature.
  #   @return [Integer]

  class << self
    # From now on, what one connection receives is sent by another natively: `from.receive_data` is not called, and no
    # Ruby object is made of the bytes. Both may be of any kind: TCP, Unix-domain, TLS (decrypted bytes are relayed),
    # child processes, pipes and datagram sockets. A datagram socket sends each piece to the sender of the datagram that
    # it received last, and until there is one, `from` is not read. A proxy has one direction. Chains and two proxies
    # between the same connections are possible.
    #
    # If `from` has a proxy already, this replaces it and counts from 0. When `from` ends, `to` is left open: call
    # `to.close_connection_after_writing` in `unbind`. When `to` ends, `from.proxy_target_unbound` is called.
    #
    # @param from [#signature] nothing happens if it is gone, a watch or the keyboard
    # @param to [#signature]
    # @param bufsize [Integer] while more bytes than this are queued in `to`, `from` is not read: at most this many and
    #   64 KiB are queued. A {Connection#pause} of the program's is independent of that. 0: no limit
    # @param length [Integer] after so many bytes the proxy ends, `from.proxy_completed` is called, and what was
    #   received behind them goes to `from.receive_data`. 0: no end
    # @return [nil]
    # @raise [ConnectionError] if `to` is gone, a watch or the keyboard, is `from` itself, or is the target of
    #   another proxy. Nothing has changed then
    # @raise [ArgumentError] for a negative number
    def enable_proxy(from, to, bufsize = 0, length = 0)
      start_proxy(from.signature, to.signature, bufsize, length)
    end

    # Ends the proxy of a connection: `from.receive_data` is called again. Does nothing if there is none.
    # @param from [#signature]
    # @return [nil]
    def disable_proxy(from)
      stop_proxy(from.signature)
    end
  end

  # Proxies of a connection.
  class Connection
    # @!group Callbacks

    # Called when the proxy of this connection has relayed as many bytes as it was to.
    # @see EventMachine.enable_proxy
    def proxy_completed
    end

    # Called right after `unbind` of the target of this connection's proxy. What arrives from now on goes to
    # `receive_data`.
    def proxy_target_unbound
    end

    # @!endgroup

    # What this connection receives is sent by another one.
    # @see EventMachine.enable_proxy
    def proxy_incoming_to(conn, bufsize = 0)
      EventMachine.enable_proxy(self, conn, bufsize)
    end

    # Ends the proxy of this connection.
    # @return [nil]
    # @see EventMachine.disable_proxy
    def stop_proxying
      EventMachine.disable_proxy(self)
    end

    # @return [Integer] how many bytes the latest proxy of this connection has relayed, also after its end and in
    #   `unbind`; 0 once the connection is gone
    def get_proxied_bytes
      EventMachine.get_proxied_bytes(@signature)
    end
  end
end
