# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

module EventMachine
  class << self
    # Forks a child that discards the reactor it has inherited and runs its own with the block. The objects of inherited
    # connections get `unbind` in the child; the parent's connections go on untouched.
    # @return [Integer] the child's pid
    def fork_reactor(&block)
      Kernel.fork { run(block) }
    end

    private

    # In a forked child: ends its copy of the parent's reactor, without the shutdown hooks, which are left for the
    # child's own. The pool's threads and what waits for the next tick belong to the parent.
    def forget_inherited_reactor
      return unless reactor_inherited?

      @reactor_running = false
      @reactor_thread = nil
      @threadpool = nil
      cleanup_machine
      release_machine
    end
  end
end
