# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

module EventMachine
  # A periodic timer. The interval lies between the end of one call and the start of the next. After a call that raises
  # the timer does not fire again.
  class PeriodicTimer
    # @return [Numeric] seconds; a change takes effect after the next call
    attr_accessor :interval

    # @param interval [Numeric] seconds; 0 for once in every turn of the reactor
    # @param callback [#call, nil] called instead of the block
    # @raise [ArgumentError] if there is nothing to call
    def initialize(interval, callback = nil, &block)
      @interval = interval
      @code = callback || block
      raise ArgumentError, "no proc or block given" unless @code.respond_to?(:call)

      @cancelled = false
      @work = method(:fire)
      schedule
    end

    # Cancels the timer, also from within its own call.
    # @return [true]
    def cancel
      EventMachine.cancel_timer(@signature)
      @cancelled = true
    end

    # Schedules the next call.
    # @private
    def schedule
      @signature = EventMachine.add_timer(@interval, @work)
    end

    # Called by that timer.
    # @private
    def fire
      return if @cancelled

      @code.call
      schedule unless @cancelled
    end
  end

  # Calls the callable or the block every `interval` seconds.
  # @return [PeriodicTimer]
  # @raise [ArgumentError] if there is nothing to call
  def self.add_periodic_timer(interval, callable = nil, &block)
    PeriodicTimer.new(interval, callable || block)
  end
end
