# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "rubyeventmachine"
require "em/callback"

module EventMachine
  # A first-in, first-out queue between those that push items and those that wait for them.
  #
  #   queue = EventMachine::Queue.new
  #   queue.pop { |job| puts job }
  #   queue.push("first", "second")
  #
  # Any thread and any signal handler may push and pop. On the reactor's thread both work at once: callbacks are called
  # before the method returns. Called elsewhere, they work in the reactor's next turn. Before {EventMachine.run} they
  # take effect once it runs.
  #
  # What a callback raises goes to the caller of the {push} or {pop} that called it; its item is consumed. All others
  # stay queued and are served at the next push or pop.
  #
  # The public methods are in ext/eventmachine/rb_queue.c.
  class Queue
    # @!method push(*items)
    #   Appends the items in order, and calls those that wait for items. A push by a callback that was called for an
    #   item only appends: its items are handed out in their turn, once the callback has returned.
    #   @param items [Array<Object>] may be empty, and hold nil and false
    #   @return [self]

    # @!method <<(item)
    #   Appends one item.
    #   @return [self]
    #   @see #push

    # @!method pop(object = nil, method = nil, &block)
    #   Has the callback called once, with one item: at once if there is one, else when one comes. Waiting callbacks are
    #   served in order. A callback may pop again, and is served at once if there is an item; beyond a hundred calls
    #   within each other it is called when those around it have returned.
    #   @overload pop { |item| ... }
    #   @overload pop(callable)
    #   @overload pop(object, method)
    #   @return [nil]
    #   @raise [ArgumentError] if there is nothing to call

    # @!method empty?
    #   Whether no item is queued. What another thread has pushed counts from the reactor's next turn on, here and in
    #   {#size}.
    #   @return [Boolean]

    # @!method size
    #   @return [Integer] how many items are queued

    # @!method num_waiting
    #   @return [Integer] how many callbacks wait for an item

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
