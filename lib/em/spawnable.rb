# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "em/spawned_process"
require "em/yield_block_from_spawned_process"

module EventMachine
  # Creates a process whose block runs each time the process is notified.
  #
  #   pong = EM.spawn { |ball, sender| sender.notify(ball + 1, self) }
  #
  # @return [SpawnedProcess]
  # @raise [TypeError] without a block
  def self.spawn(&block)
    process = SpawnedProcess.new
    process.set_receiver(block)
    process
  end

  # To be returned by a spawned block: the block given here replaces it from the next notification on.
  # @return [YieldBlockFromSpawnedProcess]
  # @raise [ArgumentError] without a block
  def self.yield(&block)
    YieldBlockFromSpawnedProcess.new(block || raise(ArgumentError, "no block given"), false)
  end

  # Like {yield}, but also notifies the process, without arguments.
  # @return [YieldBlockFromSpawnedProcess]
  # @raise [ArgumentError] without a block
  def self.yield_and_notify(&block)
    YieldBlockFromSpawnedProcess.new(block || raise(ArgumentError, "no block given"), true)
  end
end
