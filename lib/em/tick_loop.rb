# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "em/callback"

module EventMachine
  # Does a piece of work once in each turn of the reactor, until the work returns `:stop` or {#stop} is called.
  class TickLoop
    # Does not start the loop.
    # @param args as for {EventMachine.Callback}
    # @raise [ArgumentError] if there is nothing to call
    def initialize(*args, &block)
      @work = EventMachine::Callback(*args, &block)
      @on_stop = []
      @turn = nil # what the next tick calls; one for each start, so that a turn of an earlier start is known
    end

    # The work is first done in the reactor's next turn; before {EventMachine.run}, in its first.
    #
    # If the work raises, the loop is not continued, though not stopped either: {#stop} it before it is started again.
    # @return [self]
    # @raise [ArgumentError] if it is running
    def start
      raise ArgumentError, "double start" unless stopped?

      turn = -> { continue(turn) }
      EventMachine.next_tick(@turn = turn)
      self
    end

    # Stops at once and calls what {#on_stop} has noted, in that order.
    # @return [nil]
    def stop
      @turn = nil
      handlers = @on_stop
      @on_stop = []
      handlers.shift.call until handlers.empty?
    ensure
      @on_stop.unshift(*handlers) # if one has raised
    end

    # Calls the callback when the loop is next stopped, once; at once if it is stopped now.
    # @param args as for {EventMachine.Callback}
    # @raise [ArgumentError] if there is nothing to call
    def on_stop(*args, &block)
      callback = EventMachine::Callback(*args, &block)
      stopped? ? callback.call : @on_stop << callback
    end

    # @return [Boolean] whether it was never started, or stopped since
    def stopped?
      @turn.nil?
    end

    private

    def continue(turn)
      return unless turn.equal?(@turn)

      result = @work.call
      return unless turn.equal?(@turn)

      result == :stop ? stop : EventMachine.next_tick(turn)
    end
  end

  # Starts a loop.
  # @see TickLoop#initialize
  # @return [TickLoop]
  def self.tick_loop(*args, &block)
    TickLoop.new(*args, &block).start
  end
end
