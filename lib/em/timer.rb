# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

module EventMachine
  # Calls something once, after an interval; the object form of {EventMachine.add_timer}.
  class Timer
    # @param interval [Numeric] seconds
    # @param callback [#call, nil] called instead of the block
    def initialize(interval, callback = nil, &block)
      @signature = EventMachine.add_timer(interval, callback || block)
    end

    # @return [false, nil] false if it was still to come, else nil
    def cancel
      EventMachine.cancel_timer(@signature)
    end
  end
end
