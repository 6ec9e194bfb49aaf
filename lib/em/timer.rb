# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

module EventMachine
  # A one-shot timer: {EventMachine.add_timer} as an object.
  class Timer
    # @param interval [Numeric] seconds
    # @param callback [#call, nil] called instead of the block
    def initialize(interval, callback = nil, &block)
      @signature = EventMachine.add_timer(interval, callback || block)
    end

    # @return [false, nil] false if it was pending, else nil
    def cancel
      EventMachine.cancel_timer(@signature)
    end
  end
end
