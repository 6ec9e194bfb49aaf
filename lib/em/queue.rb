# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "rubyeventmachine"
require "em/callback"

module EventMachine
  # A first-in, first-out queue between producers, which push items, and callbacks that wait for them.
  #
  #   queue = EventMachine::Queue.new
  #   queue.pop { |job| puts job }
  #   queue.push("first", "second")
  #
  # Any thread and any signal handler may push and pop. On the reactor's thread both work at once: callbacks are called
  # before the method returns. On other threads they work in the reactor's next turn. Calls made before
  # {EventMachine.run} take effect once the reactor runs.
  #
  # An exception raised by a callback reaches the caller of the {push} or {pop} that called it, and its item is
  # consumed. All other items stay queued and are delivered at the next push or pop.
  #
  # The public methods are in ext/eventmachine/rb_queue.c.
  class Queue
    # @!method push(*items)
    #   Appends the items in order and calls the waiting callbacks. When a callback pushes while it is being called with
    #   an item, the new items are only appended. They are delivered in order, once the callback has returned.
    #   @param items [Array<Object>] may be empty, and may contain nil and false
    #   @return [self]

    # @!method <<(item)
    #   Appends one item.
    #   @return [self]
    #   @see #push

    # @!method pop(object = nil, method = nil, &block)
    #   Calls the callback once, with one item: at once if there is one, otherwise when one is pushed. Waiting callbacks
    #   are served in order. A callback may pop again and is served at once if there is an item. Beyond a hundred nested
    #   calls, the callback is called after the enclosing ones have returned.
    #   @overload pop { |item| ... }
    #   @overload pop(callable)
    #   @overload pop(object, method)
    #   @return [nil]
    #   @raise [ArgumentError] if there is nothing to call

    # @!method empty?
    #   Whether the queue is empty. Items pushed by another thread count from the reactor's next turn on, here and in
    #   {#size}.
    #   @return [Boolean]

    # @!method size
    #   @return [Integer] the number of queued items

    # @!method num_waiting
    #   @return [Integer] the number of callbacks that wait for an item

    private

    def append_later(items)
      EventMachine.next_tick { append(items) }
      self
    end

    def wait_later(callback)
      EventMachine.next_tick { wait(callback) }
      nil
    end

    def serve_later
      EventMachine.next_tick { serve }
    end
  end
end
