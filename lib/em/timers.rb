# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "em/timer"
require "em/periodic_timer"

module EventMachine
  # @!method self.add_timer(interval, callable = nil, &block)
  #   Schedules a one-shot timer that calls the callable, or else the block. Timers are never early and fire in the
  #   order of time. May be called on any thread and in trap handlers.
  #   @param interval [#to_f] seconds, truncated to whole milliseconds; a negative interval is due at once
  #   @param callable [#call, nil] called when the timer fires; whether it can be is found out only then
  #   @return [Integer, nil] the timer's signature; nil if there is nothing to call
  #   @raise [RuntimeError] if more timers are pending than {get_max_timers} allows
  #   @raise [FloatDomainError] if the interval is infinite or not a number

  # @!method self.cancel_timer(timer)
  #   @param timer [Integer, #cancel]
  #   @return [Object, nil] false if the timer was pending, else nil; for an object, what its `cancel` returned

  # @!method self.get_timer_count
  #   @return [Integer] how many timers are pending, including the one that runs
end
