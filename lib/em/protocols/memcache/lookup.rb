# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

module EventMachine
  module Protocols
    module Memcache
      # A `get` with a single key, the usual case: a {Retrieval} without the lists, which take a quarter of the time.
      class Lookup
        # @return [Boolean] whether an error may belong to an earlier command without a reply
        attr_accessor :ambiguous

        # @param key [String] binary
        # @param block [#call] gets the value
        def initialize(key, block)
          @key = key
          @block = block
          @value = nil
        end

        # @raise [ParserError] for a key that was not requested
        def receive_value(key, value)
          raise ParserError, "the server sent a value for a key that was not requested" unless key == @key

          @value = value
        end

        # @return [Boolean, nil] nil if this line is not the reply to a `get`
        def outcome(line)
          line == Cend || nil
        end

        # @private
        def finish(_outcome)
          @block.call(@value)
        end

        # @private
        def give_up
          @block.call(nil)
        end
      end
      private_constant :Lookup
    end
  end
end
