# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

module EventMachine
  # What a spawned block returns to have another block run in its place from then on.
  # @see EventMachine.yield
  class YieldBlockFromSpawnedProcess
    # @param block [Proc]
    # @param notify [Boolean] whether that block is to be run once without being notified
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
