# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

module EventMachine
  @next_tick_queue = []
  @next_tick_mutex = Mutex.new

  # @!method self.next_tick(callable = nil, &block)
  #   Calls the callable, or else the block, in the reactor's next turn, in the order of the calls. Before {run} it is
  #   queued for the next reactor. May be called on any thread and in trap handlers.
  #   @return [nil]
  #   @raise [ArgumentError] if there is nothing to call

  class << self
    # Calls the callback at once on the reactor's thread, and on other threads in the reactor's next turn. Arguments as
    # for {EventMachine.Callback}.
    # @return [Object, nil] what the callback returned, if it was called at once
    # @raise [ArgumentError] if there is nothing to call
    def schedule(object = nil, method = nil, &block)
      on_reactor_thread = reactor_thread?
      return yield if on_reactor_thread && object.nil? && block_given?

      callback = Callback(object, method, &block)
      return callback.call if on_reactor_thread

      next_tick(callback)
      nil
    end
  end
end
