# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

module EventMachine
  module Protocols
    module Memcache
      # A `get` whose values are to come.
      class Retrieval
        # @return [Boolean] whether an error may belong to a command without reply that was sent before
        attr_accessor :ambiguous

        # @param keys [Array<String>] binary
        # @param block [#call] gets the values in the order of the keys
        def initialize(keys, block)
          @keys = keys
          @block = block
          @values = {}
        end

        # @raise [ParserError] for a key that was not asked for
        def receive_value(key, value)
          raise ParserError, "a value came for a key that was not asked for" unless asked?(key)

          @values[key] = value
        end

        # @return [Boolean, nil] nil: this is no reply to a `get`
        def outcome(line)
          line == Cend || nil
        end

        def finish(_outcome)
          @block.call(@values.values_at(*@keys))
        end

        # After an error none of the values counts.
        def give_up
          @block.call(Array.new(@keys.size))
        end

        private

        # Servers send values in the order of the keys, without those that are missing.
        def asked?(key)
          return @keys.first == key if @keys.size == 1

          (@asked ||= @keys.to_h { |asked| [asked, true] }).key?(key)
        end
      end
      private_constant :Retrieval
    end
  end
end
