# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

module EventMachine
  # An operation whose outcome comes later.
  module Deferrable
    def callback(&block)
      return unless block

      case @deferred_status ||= :unknown
      when :succeeded then block.call(*@deferred_args)
      when :failed then nil
      else (@callbacks ||= []) << block
      end
      self
    end

    def errback(&block)
      return unless block

      case @deferred_status ||= :unknown
      when :failed then block.call(*@deferred_args)
      when :succeeded then nil
      else (@errbacks ||= []) << block
      end
      self
    end

    def set_deferred_status(status, *args)
      cancel_timeout
      @deferred_status = status
      @deferred_args = args
      case status
      when :succeeded
        @callbacks.shift.call(*@deferred_args) while @deferred_status == :succeeded && @callbacks && !@callbacks.empty?
        @errbacks&.clear
      when :failed
        @errbacks.shift.call(*@deferred_args) while @deferred_status == :failed && @errbacks && !@errbacks.empty?
        @callbacks&.clear
      end
      nil
    end

    def succeed(*args)
      set_deferred_status(:succeeded, *args)
    end
    alias set_deferred_success succeed

    def fail(*args)
      set_deferred_status(:failed, *args)
    end
    alias set_deferred_failure fail

    def timeout(seconds, *args)
      cancel_timeout
      @deferred_timeout = EventMachine::Timer.new(seconds) { fail(*args) }
      self
    end

    def cancel_timeout
      @deferred_timeout&.cancel
      @deferred_timeout = nil
    end
  end

  class DefaultDeferrable
    include Deferrable
  end
end
