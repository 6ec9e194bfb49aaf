# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "em/iterator/turn"
require "em/iterator/returning_turn"

module EventMachine
  # Iterates over a list whose items are processed asynchronously, a limited number of them at a time.
  #
  #   EventMachine::Iterator.new(urls, 10).each(
  #     ->(url, iterator) { fetch(url) { iterator.next } },
  #     -> { puts "all fetched" }
  #   )
  #
  # Items are started in the order of the list, by as many workers as `concurrency` allows. Nothing runs at once: the
  # first worker starts in the reactor's next turn, and another one in each turn after that. A worker whose item is
  # finished takes its next item in a later turn. All methods are for the reactor's thread; if they are called before
  # {EventMachine.run}, the iteration starts when the reactor runs.
  #
  # If an item is never finished, its worker does not continue and `after` is not called. The same holds after an
  # exception, which leaves the reactor or goes to its error handler. A source that raises also costs a worker, but the
  # others go on, and `after` is called.
  class Iterator
    # Returned by a source at its end. As an item of a list, it ends the list.
    Stop = Object.new.tap { |stop| stop.define_singleton_method(:inspect) { "EventMachine::Iterator::Stop" } }.freeze

    # @return [Integer] how many items may be in progress at a time
    attr_reader :concurrency

    # @param list [#call, #to_a] a source, which is called for each item until it returns {Stop}; or a list, which is
    #   copied
    # @param concurrency [Integer] how many items may be in progress at a time
    # @raise [ArgumentError] if the list is neither of these, or the concurrency is not a number above zero
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

    # Changes the number of workers. Additional workers start one by one, in the turns to come; surplus workers end
    # when their item is finished. Zero pauses the iteration, without calling `after`, until the number is raised again.
    # @param number [Integer]
    # @raise [ArgumentError] if it is not a number
    def concurrency=(number)
      raise ArgumentError, "concurrency must be a number" unless number.is_a?(Numeric)

      @concurrency = number
      start_worker_later if @started
    end

    # Calls `foreach` with each item and a {Turn}. Call its `next` when the item is finished.
    # @param foreach [#call, nil] used instead of the block
    # @param after [#call, nil] called once, without arguments, when all items are finished
    # @return [self]
    # @raise [ArgumentError] if there is nothing to call
    # @raise [RuntimeError] if the iterator was used before
    def each(foreach = nil, after = nil, &block)
      foreach ||= block
      begin_with(foreach, after || -> {})
      start(after) { |item| foreach.call(item, Turn.new(@advance)) }
    end

    # Calls `foreach` with each item and a {ReturningTurn}. Call its `return` with the item's result.
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

    # Calls `foreach` with the accumulated value, each item and a {ReturningTurn}. Call its `return` with the new value.
    # With a concurrency above one, items in progress at the same time start from the same value, and the last `return`
    # wins. In that case, modify one object rather than create new ones.
    # @param obj [Object] the initial value
    # @param foreach [#call]
    # @param after [#call] called with the value of the last `return`; for an empty list, with `obj`
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
      raise ArgumentError, "callable required after the iteration" unless after.respond_to?(:call)
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
      start_worker_later # first, because processing the item may raise
      advance
    end

    # A worker takes its next item, or ends if it is no longer needed.
    def advance
      return end_worker if @ended || @workers > @concurrency

      item = next_item
      return @process.call(item) unless Stop.equal?(item)

      @ended = true
      end_worker
    end

    # A worker whose source raises has no item in progress, so the iteration need not wait for it.
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
