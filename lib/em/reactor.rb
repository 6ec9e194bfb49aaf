# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

module EventMachine
  @reactor_running = false
  @reactor_pid = nil
  @reactor_thread = nil

  # @!method self.stop
  #   Asks the reactor to end after its present turn, in which no more connections are accepted. May be called on any
  #   thread and in trap handlers.
  #   @return [nil]

  # @!method self.stopping?
  #   @return [Boolean] whether {stop} was called

  # @!method self.reactor_thread?
  #   @return [Boolean] whether a reactor runs in this process, and on the calling thread

  # @!method self.current_time
  #   @return [Time] the reactor's time, which stands still within a turn. It comes from the monotonic clock, so only
  #     differences are meaningful

  class << self
    # Runs the reactor on the calling thread until {stop}, and calls the block inside it. If a reactor runs already,
    # calls the block at once and returns its value.
    #
    # However the reactor is left, this follows in order: shutdown hooks run, the last added first; `unbind` is called
    # for what is still connected; the thread pool ends; then an exception that ended the reactor is raised.
    #
    # @param blk [#call, nil] called instead of the block
    # @param tail [#call, nil] called at the end, after all shutdown hooks
    # @return [nil]
    # @raise [ArgumentError] if the tail cannot be called
    def run(blk = nil, tail = nil, &block)
      raise ArgumentError, "a tail that cannot be called" if tail && !tail.respond_to?(:call)

      forget_inherited_reactor
      @tails.unshift(tail) if tail
      blk ||= block
      if reactor_running?
        blk&.call
      else
        start_reactor(blk)
      end
    end

    # Runs a reactor for the block, and stops it after that turn.
    # @return [nil]
    # @raise [ArgumentError] without a block
    def run_block(&block)
      raise ArgumentError, "no block given" unless block

      run do
        block.call
        stop
      end
    end

    # @see stop
    def stop_event_loop
      stop
    end

    # Whether a reactor runs in this process. False in a forked child of the process that runs it, unless the child is a
    # daemon that continues with it (see {fork_reactor}).
    def reactor_running?
      @reactor_running && (Process.pid == @reactor_pid || take_over_reactor)
    end

    # @return [Thread, nil] the thread that runs the reactor
    def reactor_thread
      @reactor_thread if Process.pid == @reactor_pid || take_over_reactor
    end

    private

    def start_reactor(blk)
      @wrapped_exception = nil
      initialize_event_machine
      @reactor_pid = Process.pid
      @reactor_thread = Thread.current
      @reactor_running = true
      error = turn_reactor(blk)
      raise error if error
    end

    # @return [Exception, nil] an exception that a hook or an unbind has raised
    def turn_reactor(blk)
      error = nil
      @present_run = this_run = Object.new
      begin
        add_timer(0, blk) if blk
        run_machine
      ensure
        # A forked child may get here, too. If it has taken the reactor over it ends it, else it leaves it alone.
        error = end_reactor if Process.pid == @reactor_pid && @present_run.equal?(this_run)
      end
      error
    end

    def end_reactor
      unbind_failed = @wrapped_exception
      hook_error = nil
      begin
        hook_error = run_shutdown_hooks
      ensure
        release_reactor
      end
      unbind_failed ? @wrapped_exception : hook_error || @wrapped_exception
    end

    def release_reactor
      sockets = @acceptors.values.map { |_, _, _, socket| socket }
      release_machine
    ensure
      close_attached_sockets(sockets)
      @datagram_names.clear
      cleanup_machine
      @reactor_running = false
      @reactor_thread = nil
    end
  end
end
