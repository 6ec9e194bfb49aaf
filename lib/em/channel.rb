# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "em/callback"

module EventMachine
  # Hands each item that is pushed to everyone who has subscribed.
  #
  #   channel = EventMachine::Channel.new
  #   id = channel.subscribe { |news| puts news }
  #   channel.push("it rains")
  #   channel.unsubscribe(id)
  #
  # Any thread may call the methods. On the reactor's thread they work at once: all deliveries are made before {push}
  # returns. Called elsewhere, they work in the reactor's next turn, in the order of the calls; before
  # {EventMachine.run} they take effect once it runs. Signal handlers may push.
  #
  # An exception from a subscriber goes to the caller of {push} and ends that push: the subscribers behind it and the
  # items left are passed over. The channel goes on with the next push.
  class Channel
    def initialize
      @subscribers = {}
      @snapshot = nil
      @last_id = 0
      @ids = Mutex.new
    end

    # Has the callback called with every item from now on.
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

    # Ends a subscription. Within a push its subscriber still gets the item that is being delivered.
    # @param id [Integer] from {subscribe} or {pop}; one that is unknown does no harm
    # @return [#call, nil] what was called for the items; nil if the id is unknown, and to other threads
    def unsubscribe(id)
      EventMachine.schedule { remove(id) }
    end

    # Calls each subscriber with each item: item by item, in the order of subscription. A callback that is subscribed
    # while an item is delivered is called from the next item on.
    # @param items [Array<Object>] an Array is one item
    # @return [Array<Object>, nil] the items; nil to other threads, where delivery comes later
    def push(*items)
      return deliver(items) if EventMachine.reactor_thread?

      EventMachine.next_tick { deliver(items) }
    end
    alias << push

    # Has the callback called with the next item only.
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

    # @return [Integer] how many subscriptions there are, those by {pop} included
    def num_subscribers
      @subscribers.size
    end

    private

    def next_id
      @ids.synchronize { @last_id += 1 }
    end

    # What pushes go through is an Array that is never changed: a change of the subscriptions is seen from the next item
    # on.
    def add(id, callback)
      @subscribers[id] = callback
      @snapshot = nil
    end

    def remove(id)
      removed = @subscribers.delete(id)
      @snapshot = nil
      removed
    end

    # A push from a subscriber may come in between and take the item's place, so it counts here that it is the first.
    def once(id, callback)
      waiting = true
      lambda do |item|
        next unless waiting

        waiting = false
        remove(id)
        callback.call(item)
      end
    end

    # A loop by index costs half of what each does.
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
