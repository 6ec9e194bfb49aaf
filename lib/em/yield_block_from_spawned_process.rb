# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

module EventMachine
  # Returned by a spawned block to replace itself by another block.
  # @see EventMachine.yield
  class YieldBlockFromSpawnedProcess
    # @param block [Proc]
    # @param notify [Boolean] whether to run that block once without waiting for a notification
    def initialize(block, notify)
      @block = block
      @notify = notify
    end

    # @param process [SpawnedProcess]
    # @private
    def become_receiver_of(process)
      process.set_receiver(@block)
      process.notify if @notify
    end
  end
end
