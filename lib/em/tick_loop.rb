# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "em/callback"

module EventMachine
  # Runs a piece of work once in every turn of the reactor, until it is stopped or the work returns `:stop`. The reactor does
  # not sleep meanwhile.
  #
  #   EM.tick_loop { queue.empty? ? :stop : work_on(queue.shift) }.on_stop { puts "all done" }
  class TickLoop
    # Does not start; arguments as for {EventMachine.Callback}.
    # @raise [ArgumentError] if there is nothing to call
    def initialize(*arguments, &block)
      @work = EventMachine::Callback(*arguments, &block)
      @stops = []
      @stopped = true
    end

    # Begins in the next turn; before {EventMachine.run}, in its first. An exception of the work ends the loop without
    # stopping it: `stopped?` stays false, and {#stop} still calls the handlers.
    # @return [self]
    # @raise [ArgumentError] if it runs already
    def start
      raise ArgumentError, "double start" unless @stopped

      @stopped = false
      schedule(@run = Object.new)
      self
    end

    # Stops at once, and calls what {#on_stop} was given, on the calling thread. Does nothing if it does not run.
    # @return [nil]
    def stop
      @stopped = true
      handlers = @stops
      @stops = []
      handlers.each(&:call)
      nil
    end

    # Calls something at the next stop, once; at once if the loop does not run. Arguments as for {EventMachine.Callback}.
    # @return [Object] unspecified
    # @raise [ArgumentError] if there is nothing to call
    def on_stop(*arguments, &block)
      callback = EventMachine::Callback(*arguments, &block)
      @stopped ? callback.call : @stops << callback
    end

    # Whether it does not run, because it was stopped or has never been started.
    def stopped?
      @stopped
    end

    private

    # @param run [Object] of what began with one start; after a stop and another start its turns are over
    def schedule(run)
      EventMachine.next_tick { turn(run) }
    end

    def turn(run)
      return if @stopped || !run.equal?(@run)

      result = @work.call
      return if @stopped || !run.equal?(@run)

      result == :stop ? stop : schedule(run)
    end
  end

  # Makes a {TickLoop} and starts it. Arguments as for {EventMachine.Callback}.
  # @return [TickLoop]
  # @raise [ArgumentError] if there is nothing to call
  def self.tick_loop(*arguments, &block)
    TickLoop.new(*arguments, &block).start
  end
end
