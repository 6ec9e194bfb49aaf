# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

module EventMachine
  module Protocols
    module Memcache
      # A command whose reply is one line that means true or false.
      class Modification
        STORE = { Cstored => true, "NOT_STORED" => false, "EXISTS" => false, Cunknown => false }.freeze
        DELETE = { Cdeleted => true, Cunknown => false }.freeze

        # @return [Boolean] whether an error may belong to an earlier command without a reply
        attr_accessor :ambiguous

        # @param outcomes [Hash{String => Boolean}] by reply
        # @param block [#call]
        def initialize(outcomes, block)
          @outcomes = outcomes
          @block = block
        end

        def receive_value(_key, _value)
          raise ParserError, "the server sent a value instead of a result"
        end

        # @return [Boolean, nil] nil if this line is not a reply to the command
        def outcome(line)
          @outcomes[line]
        end

        # @private
        def finish(outcome)
          @block.call(outcome)
        end

        # @private
        def give_up
          @block.call(false)
        end
      end
      private_constant :Modification
    end
  end
end
