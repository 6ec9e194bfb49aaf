# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

module EventMachine
  # Turns the ways in which a callback can be given into one object that responds to `call`.
  #
  # @overload Callback(object, method)
  #   @param method [Symbol, String] is called on the object with the callback's arguments
  # @overload Callback(callable)
  # @overload Callback { |*arguments| ... }
  # @return [#call]
  # @raise [ArgumentError] if there is nothing to call
  def self.Callback(object = nil, method = nil, &blk)
    if object && method
      ->(*arguments) { object.__send__(method, *arguments) }
    elsif object.respond_to?(:call)
      object
    else
      blk || raise(ArgumentError)
    end
  end
end
