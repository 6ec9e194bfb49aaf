# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "em/spawned_process"
require "em/yield_block_from_spawned_process"

module EventMachine
  # Makes a process of the block, which runs each time the process is notified.
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

  # As the last value of a spawned block: the block given here runs instead when the process is next notified.
  # @return [YieldBlockFromSpawnedProcess]
  # @raise [ArgumentError] without a block
  def self.yield(&block)
    YieldBlockFromSpawnedProcess.new(block || raise(ArgumentError, "no block given"), false)
  end

  # As {yield}, and the process is notified, without arguments.
  # @return [YieldBlockFromSpawnedProcess]
  # @raise [ArgumentError] without a block
  def self.yield_and_notify(&block)
    YieldBlockFromSpawnedProcess.new(block || raise(ArgumentError, "no block given"), true)
  end
end
