# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

module EventMachine
  # One connection. Programs subclass it, or give a module to {EventMachine.start_server} or {EventMachine.connect}, and
  # define the callbacks they need, which may be private. All callbacks run on the reactor's thread, one at a time.
  #
  # The reactor keeps the object until `unbind`, so programs need not hold a reference. After `unbind` all methods
  # remain safe to call: nothing is sent, and getters return nil, 0 or false unless they say otherwise.
  class Connection
    # @!attribute signature
    #   @return [Integer] the connection's number, which is never reused in this process

    # @!method send_data(data)
    #   Queues data to be sent after what was queued before. Once the connection is being closed, nothing more is
    #   queued.
    #   @param data [#to_s] may be changed afterwards
    #   @return [Integer] how many bytes were queued; -1 if the connection is gone

    # @!method close_connection(after_writing = false)
    #   Closes at the end of the reactor's turn. Unless after_writing is true, queued data is dropped.
    #   @return [nil]

    # @!method get_outbound_data_size
    #   @return [Integer] how many bytes are queued to be sent

    # @!method enable_keepalive(idle = nil, interval = nil, count = nil)
    #   Enables TCP keepalive: the system probes the peer of a silent connection, tcp(7). For nil or 0 the system's
    #   setting holds.
    #   @param idle [Integer, nil] seconds of silence before the first probe
    #   @param interval [Integer, nil] seconds between probes
    #   @param count [Integer, nil] unanswered probes after which the connection ends
    #   @return [0]
    #   @raise [RuntimeError] if the system refuses, or the connection is gone

    # @!method disable_keepalive
    #   @return [0]
    #   @raise [RuntimeError] as {#enable_keepalive}

    # Handlers may define a method called `method`.
    alias original_method method

    # Receives the arguments that were given to {EventMachine.connect} or {EventMachine.start_server}. Subclasses need
    # not call `super`.
    def initialize(*_arguments)
    end

    # @!group Callbacks

    # Called right after `initialize`. An outgoing connection is not established yet.
    def post_init
    end

    # Called when an outgoing connection is established.
    def connection_completed
    end

    # Called when bytes have arrived, in pieces of any size.
    # @param data [String] binary and never empty; the program may keep and change it
    def receive_data(data)
    end

    # Called once, as the last callback, when the connection has ended. May be defined without a parameter.
    # @param reason [Class, Symbol, nil] nil if either side closed it normally; else the Errno class of the error
    #   (Errno::EHOSTUNREACH for a name that does not resolve, Errno::ETIMEDOUT for every kind of timeout); `:unknown`
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

    # Stops receiving and sending until {resume}. Nothing is lost.
    # @return [Boolean] false if it was paused already, or is gone
    def pause
      EventMachine.pause_connection(@signature)
    end

    # Receives and sends again after {pause}.
    # @return [Boolean] whether it was paused
    def resume
      EventMachine.resume_connection(@signature)
    end

    def paused?
      EventMachine.connection_paused?(@signature)
    end

    # Whether only readiness is reported and nothing is read or written, see {EventMachine.watch}.
    def watch_only?
      EventMachine.watch_only?(@signature)
    end

    # Whether `notify_readable` is called while the watched descriptor can be read.
    def notify_readable?
      EventMachine.is_notify_readable(@signature)
    end

    # @param mode [Boolean] only true switches it on
    # @raise [RuntimeError] unless it is a watch, or if its descriptor was closed
    def notify_readable=(mode)
      EventMachine.set_notify_readable(@signature, mode)
    end

    # Whether `notify_writable` is called while the watched descriptor can be written.
    def notify_writable?
      EventMachine.is_notify_writable(@signature)
    end

    # @param mode [Boolean] only true switches it on
    # @raise [RuntimeError] unless it is a watch, or if its descriptor was closed
    def notify_writable=(mode)
      EventMachine.set_notify_writable(@signature, mode)
    end

    # Takes the connection from the reactor and leaves its descriptor open; it belongs to the caller from now on.
    # Nothing is received any more, and what was queued is dropped. `unbind` is called at the end of the turn, except
    # for a connection that was made in the same turn. The process of {EventMachine.popen} goes on.
    # @return [Integer] the descriptor
    # @raise [RuntimeError] if the connection is gone, is not established yet, or uses TLS
    def detach
      EventMachine.detach_fd(@signature)
    end

    # @return [Float] seconds without sending or receiving after which the connection is closed (Errno::ETIMEDOUT); 0.0
    #   for never
    def comm_inactivity_timeout
      EventMachine.get_comm_inactivity_timeout(@signature)
    end

    # @param seconds [#to_f]
    def comm_inactivity_timeout=(seconds)
      set_comm_inactivity_timeout(seconds)
    end

    # @param seconds [#to_f]
    # @return [Boolean] whether it was set
    def set_comm_inactivity_timeout(seconds)
      EventMachine.set_comm_inactivity_timeout(@signature, seconds.to_f)
    end

    # @return [Float] seconds after which an attempt to connect fails (Errno::ETIMEDOUT); 20.0 by default
    def pending_connect_timeout
      EventMachine.get_pending_connect_timeout(@signature)
    end

    # @param seconds [#to_f] at least 0.001
    def pending_connect_timeout=(seconds)
      set_pending_connect_timeout(seconds)
    end

    # @param seconds [#to_f] at least 0.001
    # @return [Boolean] whether it was set
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

    # Fetches and clears the socket's pending error, SO_ERROR.
    # @return [Boolean, Class] false if there is none, its Errno class, or true if the connection is gone
    def error?
      errno = EventMachine.report_connection_error_status(@signature)
      case errno
      when 0 then false
      when -1 then true
      else ERRNOS[errno]
      end
    end

    # What has happened, for logs, with more detail than the reason of {#unbind}. To be called in `unbind`.
    # @return [String, nil] "connection with 192.0.2.1:443: the peer's certificate is not trusted (certificate has
    #   expired)", for example; the wording may change. nil as long as the connection has not ended, and after `unbind`
    def get_reason_text
      EventMachine.get_reason_text(@signature)
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

    # setsockopt(2). May be called at once, in `post_init` for instance: while there is no socket yet, because a name is
    # being resolved, the option is kept for the one that connects.
    # @param level [Integer]
    # @param option [Integer]
    # @param value [Integer, Boolean, String] a String is passed as it is, everything else as a C int
    # @return [0]
    # @raise [RuntimeError] if the connection is gone
    # @raise [SystemCallError]
    def set_sock_opt(level, option, value)
      EventMachine.set_sock_opt(@signature, level, option, value)
    end

    # Does nothing; kept for programs that call it.
    # @return [nil]
    def associate_callback_target(_signature)
    end
  end
end
