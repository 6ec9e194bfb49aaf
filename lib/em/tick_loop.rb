# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "em/callback"

module EventMachine
  # Calls a piece of work once in each turn of the reactor, until the work returns `:stop` or {#stop} is called.
  class TickLoop
    # Does not start the loop.
    # @param args as for {EventMachine.Callback}
    # @raise [ArgumentError] if there is nothing to call
    def initialize(*args, &block)
      @work = EventMachine::Callback(*args, &block)
      @on_stop = []
      @turn = nil # called by the next tick; each start has its own, so that a leftover of an earlier start is ignored
    end

    # Starts the loop. The work is first called in the reactor's next turn, or in its first turn if it is not running
    # yet.
    #
    # If the work raises, the loop does not continue, but it does not count as stopped. Call {#stop} before starting it
    # again.
    # @return [self]
    # @raise [ArgumentError] if it is running
    def start
      raise ArgumentError, "double start" unless stopped?

      turn = -> { continue(turn) }
      EventMachine.next_tick(@turn = turn)
      self
    end

    # Stops the loop at once and calls the {#on_stop} callbacks in the order in which they were added.
    # @return [nil]
    def stop
      @turn = nil
      handlers = @on_stop
      @on_stop = []
      handlers.shift.call until handlers.empty?
    ensure
      @on_stop.unshift(*handlers) # those left if one has raised
    end

    # Calls the callback once, when the loop next stops, or at once if it is already stopped.
    # @param args as for {EventMachine.Callback}
    # @raise [ArgumentError] if there is nothing to call
    def on_stop(*args, &block)
      callback = EventMachine::Callback(*args, &block)
      stopped? ? callback.call : @on_stop << callback
    end

    # @return [Boolean] whether the loop has not been started, or has been stopped since
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
