# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "em/callback"

module EventMachine
  # Delivers each pushed item to every subscriber.
  #
  #   channel = EventMachine::Channel.new
  #   id = channel.subscribe { |news| puts news }
  #   channel.push("it rains")
  #   channel.unsubscribe(id)
  #
  # Any thread may call the methods. On the reactor's thread they work at once: all deliveries are made before {push}
  # returns. On other threads they work in the reactor's next turn, in the order of the calls. Calls made before
  # {EventMachine.run} take effect once the reactor runs. Signal handlers may push.
  #
  # An exception raised by a subscriber reaches the caller of {push} and ends that push: the remaining subscribers and
  # items are skipped. The next push works as usual.
  class Channel
    def initialize
      @subscribers = {}
      @snapshot = nil
      @last_id = 0
      @ids = Mutex.new
    end

    # Calls the callback with every item that is pushed from now on.
    #
    # @overload subscribe { |item| ... }
    # @overload subscribe(callable)
    # @overload subscribe(object, method)
    # @return [Integer] the id for {unsubscribe}: 1, 2, 3…
    # @raise [ArgumentError] if there is nothing to call
    def subscribe(object = nil, method = nil, &block)
      callback = EventMachine.Callback(object, method, &block)
      id = next_id
      EventMachine.schedule { add(id, callback) }
      id
    end

    # Ends a subscription. If this happens during a push, the subscriber still gets the item that is being delivered.
    # @param id [Integer] from {subscribe} or {pop}; an unknown id is ignored
    # @return [#call, nil] the callback that was subscribed; nil if the id is unknown, or on other threads
    def unsubscribe(id)
      EventMachine.schedule { remove(id) }
    end

    # Calls each subscriber with each item: item by item, in the order of subscription. A callback that subscribes while
    # an item is being delivered is called from the next item on.
    # @param items [Array<Object>] an Array counts as one item
    # @return [Array<Object>, nil] the items; nil on other threads, where the delivery follows later
    def push(*items)
      return deliver(items) if EventMachine.reactor_thread?

      EventMachine.next_tick { deliver(items) }
    end
    alias << push

    # Calls the callback with the next item only.
    #
    # @overload pop { |item| ... }
    # @overload pop(callable)
    # @overload pop(object, method)
    # @return [Integer] the id for {unsubscribe}
    # @raise [ArgumentError] if there is nothing to call
    def pop(object = nil, method = nil, &block)
      callback = EventMachine.Callback(object, method, &block)
      id = next_id
      EventMachine.schedule { add(id, once(id, callback)) }
      id
    end

    # @return [Integer] the number of subscriptions, including those made by {pop}
    def num_subscribers
      @subscribers.size
    end

    private

    def next_id
      @ids.synchronize { @last_id += 1 }
    end

    # Pushes iterate over a snapshot that is never modified, so a change of the subscriptions takes effect from the next
    # item on.
    def add(id, callback)
      @subscribers[id] = callback
      @snapshot = nil
    end

    def remove(id)
      removed = @subscribers.delete(id)
      @snapshot = nil
      removed
    end

    # A subscriber may push before this callback is removed, so only the first call counts.
    def once(id, callback)
      waiting = true
      lambda do |item|
        next unless waiting

        waiting = false
        remove(id)
        callback.call(item)
      end
    end

    # A loop by index takes half the time of `each`.
    def deliver(items)
      items.each do |item|
        subscribers = @snapshot ||= @subscribers.values
        index = 0
        while (subscriber = subscribers[index])
          subscriber.call(item)
          index += 1
        end
      end
    end
  end
end
