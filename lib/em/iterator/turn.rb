# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

module EventMachine
  class Iterator
    # One item's turn in {Iterator#each}. It can be passed wherever a callback is expected, also as `&turn`. Arguments
    # are ignored.
    class Turn
      # @private
      def initialize(advance)
        @advance = advance
      end

      # Finishes the item. Its worker takes another item in a later turn of the reactor.
      # @return [nil]
      # @raise [RuntimeError] if it was called before
      def next(*)
        raise "already completed this iteration" unless @advance

        EventMachine.next_tick(@advance)
        @advance = nil
      end
      alias call next

      # @return [Proc] calls {#next}
      def to_proc
        proc { |*| self.next }
      end
    end
  end
end
