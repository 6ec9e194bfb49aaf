# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "em/timer"
require "em/periodic_timer"

module EventMachine
  # @!method self.add_timer(interval, callable = nil, &block)
  #   Calls the callable, or else the block, once: never early, in the order of time. Any thread, and trap handlers.
  #   @param interval [#to_f] seconds, cut off to whole milliseconds; what is negative is due at once
  #   @return [Integer, nil] the timer's signature; nil without anything to call
  #   @raise [RuntimeError] if more timers are pending than {get_max_timers} allows
  #   @raise [FloatDomainError] for an interval that is infinite or not a number

  # @!method self.cancel_timer(timer)
  #   @param timer [Integer, #cancel]
  #   @return [Object, nil] false if the timer was still to come, nil if not; of an object, what its `cancel` returned

  # @!method self.get_timer_count
  #   @return [Integer] how many timers are pending, with the one that runs
end
