# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "em/timer"

module EventMachine
  autoload :DefaultDeferrable, "em/default_deferrable"

  # The outcome of an operation that ends later: success or failure, with arguments, and the blocks that wait for it.
  #
  # A mixin without a constructor: classes that include it need not call `super`. It needs no reactor, except for
  # {#timeout}. All blocks run on the thread that sets the outcome, before that call returns, and each at most once.
  #
  # Setting `@deferred_status = nil` makes an object that has its outcome ready for another one.
  module Deferrable
    autoload :Pool, "em/deferrable/pool"

    # Runs the block on success: at once if that is the outcome already, never if it is failure.
    # @yieldparam arguments what {#succeed} was given
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

    # Runs the block on failure: at once if that is the outcome already, never if it is success.
    # @yieldparam arguments what {#fail} was given
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
    # @param block [Proc] one that was given to {#callback}
    # @return [Proc, nil] nil if it did not wait
    def cancel_callback(block)
      @callbacks&.delete(block)
    end

    # Removes an errback that has not been called.
    # @param block [Proc] one that was given to {#errback}
    # @return [Proc, nil] nil if it did not wait
    def cancel_errback(block)
      @errbacks&.delete(block)
    end

    # Sets the outcome to success, and runs the callbacks in the order in which they were added; then drops the
    # errbacks.
    #
    # A block may set the outcome again. After another success the callbacks behind it get the new arguments; after a
    # failure they are dropped, and the errbacks run instead. What a block raises reaches the caller; the blocks behind
    # it wait for the next success.
    # @param args what the callbacks get
    # @return [nil]
    def succeed(*args)
      # Splatting makes one Array more, and most outcomes have one argument.
      args.size == 1 ? set_deferred_status(:succeeded, args[0]) : set_deferred_status(:succeeded, *args)
    end

    # Sets the outcome to failure, as {#succeed} does to success.
    #
    # Hides Kernel#fail where this module is included; `raise` does the same.
    # @param args what the errbacks get
    # @return [nil]
    def fail(*args)
      args.size == 1 ? set_deferred_status(:failed, args[0]) : set_deferred_status(:failed, *args)
    end

    alias set_deferred_success succeed
    alias set_deferred_failure fail

    # Sets the outcome, or another status, which is only noted: blocks that are added then wait. {#succeed} and {#fail}
    # call it, so a class that overrides it sees every outcome.
    # @param status [Symbol] `:succeeded`, `:failed` or any other
    # @param args what the blocks get
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

    # Calls {#fail} unless a status is set in time. Replaces an earlier timeout. A timeout that is set after the outcome
    # fires, too, and turns a success into a failure.
    # @param seconds [Numeric]
    # @param args what the errbacks get
    # @return [self]
    # @raise [RuntimeError] if no reactor runs
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

    # Runs the blocks that are due, unless one of them brings about the opposite, and drops the others.
    def deferrable_run(due, others, opposite)
      while due && @deferred_status != opposite && (block = due.shift)
        block.call(*@deferred_args)
      end
      others&.clear
      nil
    end
  end
end
