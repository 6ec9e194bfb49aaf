# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "em/deferrable"

module EventMachine
  module Deferrable
    # Lets code take a value that is there already, or a deferrable, or what returns one of these, all alike.
    #
    #   EM::Deferrable.future(cache[key] || fetch(key)) { |page| show(page) }
    #
    # The blocks wait for deferrables only: a plain value is just returned.
    # @param arg [#call, Deferrable, Object] what responds to `call` is called, and its value is taken instead
    # @param callback [#to_proc, nil] added to the deferrable
    # @param errback [#to_proc, nil] added to the deferrable
    # @param block [Proc] added as callback if neither callback nor errback is given
    # @return [Deferrable, Object] the argument, or what it returned
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
