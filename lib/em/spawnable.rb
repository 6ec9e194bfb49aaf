# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

module EventMachine
  # A block that runs whenever it is notified, each time in the reactor's next turn: a light process that gets messages. Within
  # the block `self` is the SpawnedProcess, so methods of the object around it are not found. The block is as strict about
  # its arguments as a lambda. {EventMachine.spawn} makes one.
  #
  #   printer = EM.spawn { |text| puts text }
  #   printer.notify("hello")
  class SpawnedProcess
    # Runs the block in the reactor's next turn with these arguments; executions follow the order of the notifications, of all
    # processes. Any thread.
    # @return [nil]
    def notify(*arguments)
      EventMachine.next_tick { receive(arguments) }
      nil
    end
    alias resume notify
    alias run notify

    # Replaces the block.
    # @param receiver [Proc]
    # @return [Object] unspecified
    def set_receiver(receiver)
      singleton_class.remove_method(:call) if singleton_class.method_defined?(:call, false)
      define_singleton_method(:call, &receiver)
    end

    private

    def receive(arguments)
      result = call(*arguments)
      return unless result.is_a?(YieldedBlock)

      set_receiver(result.block)
      notify if result.notify
    end
  end

  # What {EventMachine.yield} returns.
  # @private
  YieldedBlock = Struct.new(:block, :notify)

  class << self
    # Makes a process of a block; it runs when it is notified.
    # @return [SpawnedProcess]
    # @raise [TypeError] without block
    def spawn(&block)
      process = SpawnedProcess.new
      process.set_receiver(demand_block(block))
      process
    end

    # As the value of a spawned block: the block given here takes its place, from the next notification on.
    # @return [Object]
    # @raise [TypeError] without block
    def yield(&block)
      YieldedBlock.new(demand_block(block), false)
    end

    # As {yield}, and notifies the process at once, without arguments.
    # @return [Object]
    # @raise [TypeError] without block
    def yield_and_notify(&block)
      YieldedBlock.new(demand_block(block), true)
    end

    private

    def demand_block(block)
      block or raise TypeError, "no block given"
    end
  end
end
