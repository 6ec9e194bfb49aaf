# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

module EventMachine
  class Iterator
    # One item's turn in {Iterator#map} and {Iterator#inject}. It can be passed wherever a callback is expected, also as
    # `&turn`. The callback's first argument is the result.
    class ReturningTurn
      # @private
      def initialize(advance, kind, &keep)
        @advance = advance
        @kind = kind
        @keep = keep
      end

      # Finishes the item with this result. Its worker takes another item in a later turn of the reactor.
      # @param result [Object]
      # @return [nil]
      # @raise [RuntimeError] if it was called before
      def return(result = nil, *)
        raise "already returned a value for this iteration" unless @advance

        @keep.call(result)
        EventMachine.next_tick(@advance)
        @advance = @keep = nil
      end
      alias call return

      # An item of these iterations needs a result.
      # @raise [NoMethodError] always
      def next(*)
        raise NoMethodError, "must call #return on #{@kind} iterator"
      end

      # @return [Proc] calls {#return}
      def to_proc
        proc { |result = nil, *| self.return(result) }
      end
    end
  end
end
