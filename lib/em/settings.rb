# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

module EventMachine
  # @!method self.backend
  #   @return [String] how the reactor waits for events: "uring" (epoll, with system calls in batches by io_uring),
  #     "epoll" or "poll". The environment variable EM_BACKEND chooses one of them.

  # @!method self.backend_reason
  #   @return [String, nil] why a better backend is not in use: "io_uring: forbidden, ..."

  # @!method self.stats
  #   Counters of the reactor since its start, and how many objects it has now.
  #   @return [Hash{Symbol => Integer}] turns, waits, timers_pending, timers_fired, ticks_run, connections_open,
  #     servers_open, connections_accepted, connections_opened, connections_closed, connections_shed,
  #     accept_back_offs, bytes_received, bytes_sent, outbox_bytes, jobs_open, jobs_done, jobs_cancelled, pool_threads,
  #     file_watches_open, signal_watches_open, datagram_sockets_open, datagrams_received, datagrams_sent,
  #     tls_unverified_clients and others

  # @!method self.receive_into(connection, buffer)
  #   Receives into one String: `receive_data` gets this String each time, filled anew, instead of a new String for each
  #   piece. For bulk data that takes half the time. Data that is needed after `receive_data` must be copied. One String
  #   may serve many connections. It becomes binary, and gets room for 64 KiB.
  #   @param connection [Connection]
  #   @param buffer [String, nil] nil: each piece is a new String again
  #   @return [String, nil] buffer; nil if the connection is gone
  #   @raise [TypeError, FrozenError] if it is not a String, or cannot be changed

  # @!method self.set_drain_timeout(signature, seconds)
  #   Sets how long a connection that is about to end waits for a peer that does not take the remaining data: after
  #   `close_connection_after_writing`, or after `unbind` if the peer has closed its half. A peer that takes 256 bytes
  #   per second on average is never given up.
  #   @param signature [Integer] of a connection
  #   @param seconds [Numeric] 0: the default, 30 seconds
  #   @return [Boolean] false if the connection is gone
  #   @raise [ArgumentError] if it is negative

  # @!method self.get_drain_timeout(signature)
  #   @param signature [Integer] of a connection
  #   @return [Float] seconds, see {set_drain_timeout}; 0.0 if the connection is gone

  class << self
    # @return [Integer] how many timers may be pending before {add_timer} raises
    def get_max_timers
      get_max_timer_count
    end

    # Changes {get_max_timers}, only while there is no reactor. A number below 100 counts as 100.
    # @param count [Integer]
    # @return [nil]
    def set_max_timers(count)
      set_max_timer_count(count)
    end

    # Kept for programs that set it: the reactor sleeps until the next event anyway.
    # @param milliseconds [Numeric] 5 to 300000
    # @return [nil]
    # @raise [RuntimeError] out of that range
    def set_quantum(milliseconds)
      set_timer_quantum(milliseconds.to_i)
    end

    # @return [Integer] how many connections and servers there are
    def connection_count
      get_connection_count
    end

    # Kept for programs that set it; it has no effect.
    # @return [Float] seconds; 2.0 by default
    def heartbeat_interval
      get_heartbeat_interval
    end

    # @param seconds [Numeric] positive
    def heartbeat_interval=(seconds)
      set_heartbeat_interval(seconds.to_f)
    end

    # Changes the limit of open descriptors of this process, as far as the system allows. Works without a reactor.
    # @param count [Integer, nil] nil changes nothing
    # @return [Integer] the limit now
    def set_descriptor_table_size(count = nil)
      set_rlimit_nofile(count)
    end

    # Changes the user of this process by setuid(2), to drop root's privileges once privileged ports are bound. Groups
    # do not change. Works without a reactor.
    # @param username [String]
    # @return [nil]
    # @raise [RuntimeError] if the user is unknown or the change is not permitted
    def set_effective_user(username)
      setuid_string(username)
    end
  end
end
