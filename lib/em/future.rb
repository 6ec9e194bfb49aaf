# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "em/deferrable"

module EventMachine
  module Deferrable
    # Treats a value, a deferrable, and a callable that returns either of them alike.
    #
    #   EM::Deferrable.future(cache[key] || fetch(key)) { |page| show(page) }
    #
    # Callbacks are added to deferrables only; a plain value is just returned.
    # @param arg [#call, Deferrable, Object] if it responds to `call`, it is called and replaced by the result
    # @param callback [#to_proc, nil] added to the deferrable
    # @param errback [#to_proc, nil] added to the deferrable
    # @param block [Proc] added as the callback if neither callback nor errback is given
    # @return [Deferrable, Object] the argument, or the result of calling it
    def self.future(arg, callback = nil, errback = nil, &block)
      arg = arg.call if arg.respond_to?(:call)
      return arg unless arg.respond_to?(:set_deferred_status)

      callback = block unless callback || errback
      arg.callback(&callback) if callback
      arg.errback(&errback) if errback
      arg
    end
  end
end
