# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "em/timer"

module EventMachine
  autoload :DefaultDeferrable, "em/default_deferrable"

  # The outcome of an operation that completes later: success or failure, with arguments, and the blocks that wait for
  # it.
  #
  # This is a mixin without a constructor, so classes that include it need not call `super`. It needs no reactor, except
  # for {#timeout}. All blocks run on the thread that sets the outcome, before that call returns, and each runs at most
  # once.
  #
  # Setting `@deferred_status = nil` makes an object reusable after its outcome.
  module Deferrable
    autoload :Pool, "em/deferrable/pool"

    # Runs the block on success: at once if the outcome is already success, never if it is failure.
    # @yieldparam arguments the arguments of {#succeed}
    # @return [self, nil] nil without a block
    def callback(&block)
      return unless block

      case @deferred_status
      when :succeeded then block.call(*@deferred_args)
      when :failed then nil
      else
        @deferred_status = :unknown unless @deferred_status
        (@callbacks ||= []) << block
      end
      self
    end

    # Runs the block on failure: at once if the outcome is already failure, never if it is success.
    # @yieldparam arguments the arguments of {#fail}
    # @return [self, nil] nil without a block
    def errback(&block)
      return unless block

      case @deferred_status
      when :failed then block.call(*@deferred_args)
      when :succeeded then nil
      else
        @deferred_status = :unknown unless @deferred_status
        (@errbacks ||= []) << block
      end
      self
    end

    # Removes a callback that has not been called.
    # @param block [Proc] as given to {#callback}
    # @return [Proc, nil] the block; nil if it was not pending
    def cancel_callback(block)
      @callbacks&.delete(block)
    end

    # Removes an errback that has not been called.
    # @param block [Proc] as given to {#errback}
    # @return [Proc, nil] the block; nil if it was not pending
    def cancel_errback(block)
      @errbacks&.delete(block)
    end

    # Sets the outcome to success, runs the callbacks in the order in which they were added, and drops the errbacks.
    #
    # A block may set the outcome again. After another success, the callbacks that follow get the new arguments. After a
    # failure, they are dropped and the errbacks run instead. An exception raised by a block reaches the caller, and the
    # blocks that follow wait for the next success.
    # @param args the arguments for the callbacks
    # @return [nil]
    def succeed(*args)
      # A splat allocates another Array, and most outcomes have one argument.
      args.size == 1 ? set_deferred_status(:succeeded, args[0]) : set_deferred_status(:succeeded, *args)
    end

    # Sets the outcome to failure, as {#succeed} does to success.
    #
    # Hides Kernel#fail where this module is included; use `raise` instead.
    # @param args the arguments for the errbacks
    # @return [nil]
    def fail(*args)
      args.size == 1 ? set_deferred_status(:failed, args[0]) : set_deferred_status(:failed, *args)
    end

    alias set_deferred_success succeed
    alias set_deferred_failure fail

    # Sets the outcome, or another status. Any other status is only recorded, and blocks that are added afterwards wait.
    # {#succeed} and {#fail} call this method, so a class that overrides it sees every outcome.
    # @param status [Symbol] `:succeeded`, `:failed` or any other
    # @param args the arguments for the blocks
    # @return [nil]
    def set_deferred_status(status, *args)
      cancel_timeout if @deferred_timeout
      @deferred_status = status
      @deferred_args = args
      if status == :succeeded
        deferrable_run(@callbacks, @errbacks, :failed)
      elsif status == :failed
        deferrable_run(@errbacks, @callbacks, :succeeded)
      end
    end

    # Calls {#fail} after this time unless a status has been set. Replaces an earlier timeout. A timeout that is set
    # after the outcome also fires, and turns a success into a failure.
    # @param seconds [Numeric]
    # @param args the arguments for the errbacks
    # @return [self]
    # @raise [RuntimeError] if the reactor is not running
    def timeout(seconds, *args)
      cancel_timeout
      @deferred_timeout = Timer.new(seconds) { fail(*args) }
      self
    end

    # Cancels the timeout, if there is one.
    # @return [nil]
    def cancel_timeout
      return unless @deferred_timeout

      @deferred_timeout.cancel
      @deferred_timeout = nil
    end

    private

    # Runs the blocks that are due, stops if one of them sets the opposite outcome, and drops the blocks for the other
    # outcome.
    def deferrable_run(due, others, opposite)
      while due && @deferred_status != opposite && (block = due.shift)
        block.call(*@deferred_args)
      end
      others&.clear
      nil
    end
  end
end
