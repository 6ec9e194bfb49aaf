# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "em/yield_block_from_spawned_process"

module EventMachine
  # A lightweight process that waits for messages: its block runs in the reactor's next turn after each notification.
  #
  # Within the block, `self` is the process. The number of arguments is checked as in a lambda. The block's result
  # matters only if it comes from {EventMachine.yield} or {EventMachine.yield_and_notify}.
  # @see EventMachine.spawn
  class SpawnedProcess
    # The types that `define_method` accepts.
    CODE = [Proc, Method, UnboundMethod].freeze
    private_constant :CODE

    # @!method call(*args)
    #   Runs the current block at once.
    #   @return [Object] the block's result

    # Schedules one run of the block with these arguments in the reactor's next turn. Notifications to all processes are
    # handled in the order in which they were sent. Any thread may call this method.
    # @return [nil]
    def notify(*args)
      EventMachine.next_tick do
        result = call(*args)
        result.become_receiver_of(self) if result.is_a?(YieldBlockFromSpawnedProcess)
      end
      nil
    end
    ruby2_keywords :notify
    alias resume notify
    alias run notify

    # Replaces the block.
    # @param receiver [Proc, Method, UnboundMethod]
    # @raise [TypeError] for anything else
    def set_receiver(receiver)
      unless CODE.any? { |type| receiver.is_a?(type) }
        raise TypeError, "wrong argument type #{receiver.class} (expected #{CODE.join('/')})"
      end

      singleton_class.send(:remove_method, :call) if singleton_methods(false).include?(:call)
      define_singleton_method(:call, receiver)
    end
  end
end
