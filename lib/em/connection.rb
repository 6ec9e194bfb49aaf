# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

module EventMachine
  # One connection. Programs derive from it, or give a module to {EventMachine.start_server} or {EventMachine.connect},
  # and define the callbacks they care for; these may be private. They all run on the reactor's thread, one at a time.
  #
  # A connection lives as long as the reactor knows it; programs need not hold on to it. After `unbind` all methods stay
  # harmless: nothing is sent, getters return nil, 0 or false unless they say otherwise.
  class Connection
    # @!attribute signature
    #   @return [Integer] the connection's number, never given again in this process

    # @!method send_data(data)
    #   Sends after all that was sent before; nothing is sent any more once a close is asked for.
    #   @param data [#to_s] may be changed afterwards
    #   @return [Integer] how many bytes were taken; -1 if the connection is gone

    # @!method close_connection(after_writing = false)
    #   Closes at the end of the reactor's turn. What waits to be sent is dropped, unless after_writing is true.
    #   @return [nil]

    # @!method get_outbound_data_size
    #   @return [Integer] how many bytes wait to be sent

    # @!method enable_keepalive(idle = nil, interval = nil, count = nil)
    #   Has silent connections probed, tcp(7). What is nil or 0 stays as the system has it.
    #   @param idle [Integer, nil] seconds of silence before the first probe
    #   @param interval [Integer, nil] seconds between probes
    #   @param count [Integer, nil] probes without answer that end the connection
    #   @return [0]
    #   @raise [RuntimeError] if the system refuses, or the connection is gone

    # @!method disable_keepalive
    #   @return [0]
    #   @raise [RuntimeError] as {#enable_keepalive}

    # Handlers may define a method called `method`.
    alias original_method method

    # Gets the arguments that were given to {EventMachine.connect} and the like. Overriding needs no `super`.
    def initialize(*_arguments)
    end

    # @!group Callbacks

    # Called right after `initialize`; an outgoing connection is not established yet.
    def post_init
    end

    # An outgoing connection is established.
    def connection_completed
    end

    # Bytes have arrived, in pieces of any size.
    # @param data [String] binary, never empty, the caller's own
    def receive_data(data)
    end

    # The connection has ended; called once, as the last callback. May be defined without parameter.
    # @param reason [Class, Symbol, nil] nil if either side closed it in the normal way; the Errno class of what went
    #   wrong (a name that does not resolve is Errno::EHOSTUNREACH, a timeout of any kind Errno::ETIMEDOUT); `:unknown`
    #   if there is none
    def unbind(reason = nil)
    end

    # @!endgroup

    # Closes once everything is sent. Calls {close_connection}, which classes override.
    # @return [nil]
    def close_connection_after_writing
      close_connection(true)
    end

    # Gives this object a new connection.
    # @see EventMachine.reconnect
    def reconnect(server, port)
      EventMachine.reconnect(server, port, self)
    end

    # Stops receiving and sending until {resume}; nothing is lost.
    # @return [Boolean] whether it was not paused
    def pause
      EventMachine.pause_connection(@signature)
    end

    # @return [Boolean] whether it was paused
    def resume
      EventMachine.resume_connection(@signature)
    end

    def paused?
      EventMachine.connection_paused?(@signature)
    end

    # Whether only readiness is reported and nothing is read or written: of no connection that carries bytes.
    # @return [false]
    def watch_only?
      false
    end

    # @return [Float] seconds without sending or receiving after which the connection is closed (Errno::ETIMEDOUT); 0.0:
    #   never
    def comm_inactivity_timeout
      EventMachine.get_comm_inactivity_timeout(@signature)
    end

    # @param seconds [#to_f]
    def comm_inactivity_timeout=(seconds)
      set_comm_inactivity_timeout(seconds)
    end

    # @param seconds [#to_f]
    # @return [Boolean] whether that was accepted
    def set_comm_inactivity_timeout(seconds)
      EventMachine.set_comm_inactivity_timeout(@signature, seconds.to_f)
    end

    # @return [Float] seconds after which the attempt to connect is given up (Errno::ETIMEDOUT); 20.0 by default
    def pending_connect_timeout
      EventMachine.get_pending_connect_timeout(@signature)
    end

    # @param seconds [#to_f] at least 0.001
    def pending_connect_timeout=(seconds)
      set_pending_connect_timeout(seconds)
    end

    # @param seconds [#to_f] at least 0.001
    # @return [Boolean] whether that was accepted
    def set_pending_connect_timeout(seconds)
      EventMachine.set_pending_connect_timeout(@signature, seconds.to_f)
    end

    # @return [Numeric, nil] seconds since something was sent or received
    def get_idle_time
      EventMachine.get_idle_time(@signature)
    end

    # The peer's address, for Socket.unpack_sockaddr_in or Socket.unpack_sockaddr_un.
    # @return [String, nil]
    # @raise [RuntimeError] before the connection is established
    def get_peername
      EventMachine.get_peername(@signature)
    end

    # The local address, like {get_peername}.
    # @return [String, nil]
    # @raise [RuntimeError] before the connection is established
    def get_sockname
      EventMachine.get_sockname(@signature)
    end

    # Takes the pending error off the socket.
    # @return [Boolean, Class] false if there is none, its Errno class, or true if the connection is gone
    def error?
      errno = EventMachine.report_connection_error_status(@signature)
      case errno
      when 0 then false
      when -1 then true
      else ERRNOS[errno]
      end
    end

    # getsockopt(2)
    # @param level [Integer]
    # @param option [Integer]
    # @return [String] the raw value
    # @raise [RuntimeError] if the connection is gone
    # @raise [SystemCallError]
    def get_sock_opt(level, option)
      EventMachine.get_sock_opt(@signature, level, option)
    end

    # setsockopt(2)
    # @param level [Integer]
    # @param option [Integer]
    # @param value [Integer, Boolean, String] a String as it is, all else as a C int
    # @return [0]
    # @raise [RuntimeError] if the connection is gone
    # @raise [SystemCallError]
    def set_sock_opt(level, option, value)
      EventMachine.set_sock_opt(@signature, level, option, value)
    end

    # Without effect; kept for programs that call it.
    # @return [nil]
    def associate_callback_target(_signature)
    end
  end
end
