# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "em/callback"

module EventMachine
  # A first-in, first-out queue between those that push items and those that wait for them.
  #
  #   queue = EventMachine::Queue.new
  #   queue.pop { |job| puts job }
  #   queue.push("first", "second")
  #
  # Any thread may push and pop, and trap handlers may. On the reactor's thread both work at once: callbacks are called
  # before the method returns. Called elsewhere, they work in the reactor's next turn. Before {EventMachine.run} they wait for
  # the reactor to come.
  #
  # What a callback raises goes to the caller of the {push} or {pop} that called it; its item is consumed. All others stay
  # queued and are served at the next push or pop.
  class Queue
    # How deep callbacks that pop are called within each other. Beyond that a callback is called when those around it
    # have returned.
    DEEPEST_NESTING = 100

    def initialize
      @items = []
      @poppers = []
      @nesting = 0
      @service_due = false
    end

    # Appends the items in order, and calls those that wait for items. A push by a callback that was called for an item only
    # appends: its items are handed out in their turn, once the callback has returned.
    # @param items [Array<Object>] may be empty, and hold nil and false
    # @return [self]
    def push(*items)
      return append_later(items) unless EventMachine.reactor_thread?

      @items.concat(items)
      serve_waiting unless @poppers.empty?
      self
    end

    # Appends one item.
    # @see #push
    def <<(item)
      push(item)
    end

    # Has the callback called once, with one item: at once if there is one, else when one comes. Waiting callbacks are served
    # in order. A callback may pop again, and is served at once if there is an item.
    #
    # @overload pop { |item| ... }
    # @overload pop(callable)
    # @overload pop(object, method)
    # @return [nil]
    # @raise [ArgumentError] if there is nothing to call
    def pop(object = nil, method = nil, &block)
      callback = EventMachine.Callback(object, method, &block) unless object.nil? && block_given?
      if !EventMachine.reactor_thread?
        callback ||= block
        EventMachine.next_tick { wait(callback) }
      elsif callback || @items.empty? || !@poppers.empty? || @nesting >= DEEPEST_NESTING
        wait(callback || block)
      else
        hand_over(&block)
      end
      nil
    end

    # Whether no item is queued. What another thread has pushed counts from the reactor's next turn on, here and in {#size}.
    def empty?
      @items.empty?
    end

    # @return [Integer] how many items are queued
    def size
      @items.size
    end

    # @return [Integer] how many callbacks wait for an item
    def num_waiting
      @poppers.size
    end

    private

    def append(items)
      @items.concat(items)
      serve_waiting unless @poppers.empty?
      self
    end

    def append_later(items)
      EventMachine.next_tick { append(items) }
      self
    end

    def serve_waiting
      @nesting.zero? ? serve : serve_later
    end

    def wait(callback)
      @poppers.push(callback)
      return if @items.empty?

      @nesting < DEEPEST_NESTING ? serve : serve_later
    end

    # A drained Array keeps the memory of its largest size until it is cleared. No signal handler can push between the question
    # and the clearing: Ruby calls handlers where it returns or jumps.
    def serve
      @nesting += 1
      @poppers.shift.call(@items.shift) until @poppers.empty? || @items.empty?
    ensure
      @nesting -= 1
      @items.clear if @items.empty?
      @poppers.clear if @poppers.empty?
    end

    # As waiting and being served, for a block that need not become an object for it.
    def hand_over
      @nesting += 1
      item = @items.shift
      @items.clear if @items.empty?
      yield item
      serve unless @poppers.empty? || @items.empty?
    ensure
      @nesting -= 1
    end

    # The calls around this one serve what is left. If they are suspended, with the fiber they run in, the next turn does.
    def serve_later
      return if @service_due || @items.empty?

      @service_due = true
      EventMachine.next_tick do
        @service_due = false
        serve
      end
    end
  end
end
