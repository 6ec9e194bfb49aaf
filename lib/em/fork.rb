# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

module EventMachine
  class << self
    # Forks a child that discards the reactor it has inherited and runs a new one with the block. `unbind` is called in
    # the child for the objects of inherited connections. The parent's connections are not affected.
    #
    # A callback may also move the reactor into a daemon, by `Process.daemon` or by hand (`exit if fork`,
    # `Process.setsid`, `exit if fork`). The daemon continues with everything, and the process that it comes from ends
    # without touching the connections. Work that {defer} has started is started again. A child is a daemon if it has a
    # session of its own or if its parent ends within a second. Any other child that returns from a callback that has
    # forked without a block gets a RuntimeError from {run}.
    # @return [Integer] the child's pid
    def fork_reactor(&block)
      Kernel.fork { run(block) }
    end

    private

    # In a forked child: ends its copy of the parent's reactor without the shutdown hooks, which are kept for the
    # child's own reactor. The pool's threads and the callables of {next_tick} belong to the parent.
    def forget_inherited_reactor
      return if !reactor_inherited? || take_over_reactor

      @reactor_running = false
      @reactor_thread = nil
      @threadpool = nil
      cleanup_machine
      release_machine
    end

    # Whether this child runs the block of a fork (or of IO.popen("-")) and will not return into the reactor.
    def in_forked_block?
      within = caller_locations.map(&:base_label).take_while { |name| !name.start_with?("run_machine") }
      within.include?("fork") || within.include?("popen")
    end
  end
end
