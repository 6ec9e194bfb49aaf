# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

module EventMachine
  # Makes one object that responds to `call` from the forms in which users give a callback.
  #
  # @overload Callback(object, method)
  #   @param method [Symbol, String] called on the object, with all arguments
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
