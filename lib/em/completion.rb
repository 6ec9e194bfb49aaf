# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "em/callback"
require "em/deferrable"
require "em/timer"

module EventMachine
  # A {Deferrable} with any number of states, each with its own callbacks. Any thread may use it.
  #
  # It starts in the state `:unknown`. The states `:succeeded` and `:failed` end the operation; a subclass may override
  # {#completion_states}. {#change_state} takes effect at once. The callbacks run before it returns if it is called on
  # the reactor's thread, otherwise in the reactor's next turn.
  #
  # Callbacks are given as for {EventMachine.Callback}. Each is called once, with the arguments of the last change of
  # state.
  class Completion
    include Deferrable

    # @return [Object] the current state, initially `:unknown`
    attr_reader :state

    # @return [Array] the arguments of the last change of state, initially none
    attr_reader :value

    def initialize
      @state = :unknown
      @value = []
      @callbacks = { succeeded: [], failed: [], completed: [] }
      @timeout = nil
    end

    # Changes the state to `:succeeded`.
    # @see change_state
    def succeed(*args)
      change_state(:succeeded, *args)
    end
    alias set_deferred_success succeed

    # Changes the state to `:failed`.
    # @see change_state
    def fail(*args)
      change_state(:failed, *args)
    end
    alias set_deferred_failure fail

    # Enters a state and calls its callbacks in the order in which they were added. In a completion state, the callbacks
    # of {#completion} follow. Then the callbacks of all completion states are dropped and the timeout is cancelled.
    #
    # A callback may change the state again. The callbacks that follow then get the new arguments; if the state is a
    # different one, they are not called.
    # @param state [Object] anything but `:completed`, mostly a Symbol
    # @param args the arguments for the callbacks
    # @return [nil]
    def change_state(state, *args)
      @value = args
      @state = state
      EventMachine.schedule { execute_callbacks }
      nil
    end
    alias set_deferred_status change_state

    # Adds a callback for success.
    # @see stateback
    def callback(*args, &block)
      stateback(:succeeded, *args, &block)
    end

    # Adds a callback for failure.
    # @see stateback
    def errback(*args, &block)
      stateback(:failed, *args, &block)
    end

    # Adds a callback for every completion state. It is called after the callbacks of the state itself.
    # @see stateback
    def completion(*args, &block)
      stateback(:completed, *args, &block)
    end

    # Adds a callback for a state. If that is the current state, the callback is called at once, on the calling thread.
    # If the operation has ended in another state, it is dropped.
    # @param state [Object]
    # @param args as for {EventMachine.Callback}
    # @return [self]
    # @raise [ArgumentError] if there is nothing to call
    def stateback(state, *args, &block)
      callback = EventMachine::Callback(*args, &block)
      (@callbacks[state] ||= []) << callback if state == :completed || state == @state || !completed?
      execute_callbacks
      self
    end

    # @return [Boolean] whether the current state is a completion state
    def completed?
      completion_states.include?(@state)
    end

    # The states that end the operation. Subclasses may override this method.
    # @return [Array]
    def completion_states
      %i[succeeded failed]
    end

    # Calls {#fail} after this time unless a completion state has been entered. Replaces an earlier timeout.
    # @param seconds [Numeric]
    # @param args the arguments for the errbacks
    # @return [Timer]
    # @raise [RuntimeError] if the reactor is not running
    def timeout(seconds, *args)
      cancel_timeout
      @timeout = Timer.new(seconds) { fail(*args) unless completed? }
    end

    # Cancels the timeout, if there is one.
    # @return [nil]
    def cancel_timeout
      @timeout&.cancel
      @timeout = nil
    end

    # Removes a callback for success. A callback given as an object and a method name cannot be removed, because each
    # such pair makes a new callable.
    # @param args as given to {#callback}
    # @return [#call, nil] the callback; nil if it was not pending
    def cancel_callback(*args, &block)
      @callbacks[:succeeded].delete(EventMachine::Callback(*args, &block))
    end

    # Removes a callback for failure.
    # @see cancel_callback
    def cancel_errback(*args, &block)
      @callbacks[:failed].delete(EventMachine::Callback(*args, &block))
    end

    private

    def execute_callbacks
      while (callback = @callbacks[@state]&.shift)
        callback.call(*@value)
      end
      return unless completed?

      while completed? && (callback = @callbacks[:completed].shift)
        callback.call(*@value)
      end
      forget_callbacks if completed?
    end

    # The callbacks of the current state have been called. Any that are left were just added by another thread, which is
    # about to call them.
    def forget_callbacks
      (completion_states - [@state]).each { |state| @callbacks[state]&.clear }
      cancel_timeout
    end
  end
end
