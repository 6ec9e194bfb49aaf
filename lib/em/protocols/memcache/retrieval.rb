# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

module EventMachine
  module Protocols
    module Memcache
      # A `get` that waits for its values.
      class Retrieval
        # @return [Boolean] whether an error may belong to an earlier command without a reply
        attr_accessor :ambiguous

        # @param keys [Array<String>] binary
        # @param block [#call] called with one value for each key, in the same order
        def initialize(keys, block)
          @keys = keys
          @block = block
          @values = Array.new(keys.size)
          @next = 0
        end

        # @raise [ParserError] for a key that was not requested
        def receive_value(key, value)
          index = place_of(key)
          @values[index] = value
          @next = index + 1
        end

        # @return [Boolean, nil] nil if this line is not the reply to a `get`
        def outcome(line)
          line == Cend || nil
        end

        # @private
        def finish(_outcome)
          @block.call(*@values)
        end

        # After an error, values that have arrived are discarded.
        def give_up
          @block.call(*Array.new(@keys.size))
        end

        private

        # Servers send the values in the order of the keys and leave out missing ones. Proxies may use another order.
        def place_of(key)
          return @next if @keys[@next] == key

          places = places_by_key[key] or raise(ParserError, "the server sent a value for a key that was not requested")
          places.bsearch { |place| place >= @next } || places.first
        end

        # @return [Hash{String => Array<Integer>}] created on first use
        def places_by_key
          @places_by_key ||= @keys.each_index.group_by { |index| @keys[index] }
        end
      end
      private_constant :Retrieval
    end
  end
end
