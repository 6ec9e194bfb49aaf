# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "em/callback"
require "em/deferrable"
require "em/timer"

module EventMachine
  # A {Deferrable} with any number of states, each with callbacks of its own, which may be used from any thread.
  #
  # It begins in the state `:unknown`. Some states are the end of the operation: `:succeeded` and `:failed`, unless a
  # subclass overrides {#completion_states}. {#change_state} has its effect at once. The callbacks run before it returns
  # if it was called on the reactor's thread, else in the reactor's next turn.
  #
  # Callbacks are given as for {EventMachine.Callback}, get the arguments of the last change of state, and are called
  # once.
  class Completion
    include Deferrable

    # @return [Object] the present state, initially `:unknown`
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

    # Enters a state. Its callbacks are called in the order in which they were added. In a completion state those of
    # {#completion} follow; then the callbacks of all completion states are dropped and the timeout is cancelled.
    #
    # A callback may change the state again: those behind it get the new arguments, or, in another state, are not
    # called.
    # @param state [Object] anything but `:completed`, mostly a Symbol
    # @param args what the callbacks get
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

    # Adds a callback for any completion state, which is called after those of that state.
    # @see stateback
    def completion(*args, &block)
      stateback(:completed, *args, &block)
    end

    # Adds a callback for a state. If that is the present state, it is called at once, on the calling thread. If the
    # operation has ended in another state, it is dropped.
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

    # @return [Boolean] whether the present state is a completion state
    def completed?
      completion_states.include?(@state)
    end

    # The states that end the operation. Subclasses may override it.
    # @return [Array]
    def completion_states
      %i[succeeded failed]
    end

    # Calls {#fail} unless a completion state is entered in time. Replaces an earlier timeout.
    # @param seconds [Numeric]
    # @param args what the errbacks get
    # @return [Timer]
    # @raise [RuntimeError] if no reactor runs
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

    # Removes a callback for success. An object with a method's name makes a new callback each time and is never found.
    # @param args what {#callback} was given
    # @return [#call, nil] nil if it did not wait
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

    # Those of the present state have been called; any that are there have just been added by another thread, which is
    # about to call them.
    def forget_callbacks
      (completion_states - [@state]).each { |state| @callbacks[state]&.clear }
      cancel_timeout
    end
  end
end
