# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "em/iterator/turn"
require "em/iterator/returning_turn"

module EventMachine
  # Goes through a list whose items take time, with a bounded number of them under way at once.
  #
  #   EventMachine::Iterator.new(urls, 10).each(
  #     ->(url, iterator) { fetch(url) { iterator.next } },
  #     -> { puts "all fetched" }
  #   )
  #
  # Items are started in the order of the list, by as many workers as `concurrency` says. Nothing runs at once: the
  # first worker starts in the reactor's next turn and one more in each turn after it. A worker whose item is finished
  # takes its next one in a later turn. All of this is for the reactor's thread; before {EventMachine.run} it waits
  # until the reactor runs.
  #
  # The worker of an item that is never finished does not go on, and `after` is not called; nor after an exception,
  # which leaves the reactor or goes to its error handler. A source that raises costs a worker, too, but the others go
  # on to `after`.
  class Iterator
    # What a source returns at its end. In a list it ends the list.
    Stop = Object.new.tap { |stop| stop.define_singleton_method(:inspect) { "EventMachine::Iterator::Stop" } }.freeze

    # @return [Integer] how many items may be under way at once
    attr_reader :concurrency

    # @param list [#call, #to_a] a source, called for each item until it returns {Stop}; or a list, which is copied
    # @param concurrency [Integer] how many items may be under way at once
    # @raise [ArgumentError] if the list is neither, or the concurrency not a number above zero
    def initialize(list, concurrency = 1)
      unless concurrency.is_a?(Numeric) && concurrency.positive?
        raise ArgumentError, "concurrency must be bigger than zero"
      end

      @source = source_of(list)
      @concurrency = concurrency
      @workers = 0
      @advance = method(:advance).to_proc
      @start_worker = method(:start_worker).to_proc
    end

    # More workers start one by one, in the turns to come; fewer remain as items are finished. Zero stops the iteration,
    # without calling `after`, until there are more again.
    # @param number [Integer]
    # @raise [ArgumentError] if it is no number
    def concurrency=(number)
      raise ArgumentError, "concurrency must be a number" unless number.is_a?(Numeric)

      @concurrency = number
      start_worker_later if @started
    end

    # Calls `foreach` with each item and a {Turn}, whose `next` is to be called once the item is finished.
    # @param foreach [#call, nil] instead of the block
    # @param after [#call, nil] called without arguments, once, when all items are finished
    # @return [self]
    # @raise [ArgumentError] if there is nothing to call
    # @raise [RuntimeError] if the iterator was used before
    def each(foreach = nil, after = nil, &block)
      foreach ||= block
      begin_with(foreach, after || -> {})
      start(after) { |item| foreach.call(item, Turn.new(@advance)) }
    end

    # Calls `foreach` with each item and a {ReturningTurn}, whose `return` takes the item's result.
    # @param foreach [#call]
    # @param after [#call] called with the Array of all results, in the order of the list
    # @return [self]
    # @raise (see #each)
    def map(foreach, after)
      begin_with(foreach, after)
      results = []
      count = 0
      start(-> { after.call(results) }) do |item|
        index = count
        count += 1
        foreach.call(item, ReturningTurn.new(@advance, "a map") { |result| results[index] = result })
      end
    end

    # Calls `foreach` with what has accumulated, each item and a {ReturningTurn}, whose `return` takes what has
    # accumulated now. With a concurrency above one, items under way at once start from the same value, and the last
    # `return` counts: then change one object rather than make new ones.
    # @param obj [Object] what the first item gets
    # @param foreach [#call]
    # @param after [#call] called with what the last `return` was given; for an empty list, with `obj`
    # @return [self]
    # @raise (see #each)
    def inject(obj, foreach, after)
      begin_with(foreach, after)
      start(-> { after.call(obj) }) do |item|
        foreach.call(obj, item, ReturningTurn.new(@advance, "an inject") { |result| obj = result })
      end
    end

    private

    def source_of(list)
      return list if list.respond_to?(:call)
      raise ArgumentError, "argument must be a proc or an array" unless list.respond_to?(:to_a)

      items = list.to_a.dup
      -> { items.empty? ? Stop : items.shift }
    end

    def begin_with(foreach, after)
      raise ArgumentError, "proc or block required for iteration" unless foreach.respond_to?(:call)
      raise ArgumentError, "nothing to call after the iteration" unless after.respond_to?(:call)
      raise "cannot iterate over an iterator more than once" if @started

      @started = true
    end

    def start(after, &process)
      @after = after
      @process = process
      start_worker_later
      self
    end

    def start_worker_later
      return if @starting || @ended || @workers >= @concurrency

      @starting = true
      EventMachine.next_tick(@start_worker)
    end

    def start_worker
      @starting = false
      return if @ended || @workers >= @concurrency

      @workers += 1
      start_worker_later # first, for the item may raise an exception
      advance
    end

    # A worker's tick: it takes an item, or is no longer needed.
    def advance
      return end_worker if @ended || @workers > @concurrency

      item = next_item
      return @process.call(item) unless Stop.equal?(item)

      @ended = true
      end_worker
    end

    # A worker whose source raises has no item that others would wait for.
    def next_item
      @source.call
    rescue Exception
      @workers -= 1
      raise
    end

    def end_worker
      @workers -= 1
      return unless @ended && @workers.zero?

      after = @after
      @source = @process = @after = nil
      after&.call
    end
  end
end
