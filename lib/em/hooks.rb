# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

module EventMachine
  @tails = []
  @wrapped_exception = nil

  class << self
    # Registers a block that runs when the reactor ends, before the connections are unbound; the last one added runs
    # first. Works without a reactor, too: then for the next one.
    def add_shutdown_hook(&block)
      @tails << block
    end

    # Where exceptions of callbacks go; without handler they end the reactor and are raised by {run}. It gets
    # StandardErrors, those of `unbind` whatever their class, and the reactor goes on afterwards.
    # What the handler raises is raised by {run}.
    #
    # @param callback [#call, nil] or a block; without either the handler is removed
    # @return [#call, nil] the handler installed or removed
    def error_handler(callback = nil, &block)
      if callback || block
        @error_handler = callback || block
      elsif instance_variable_defined?(:@error_handler)
        remove_instance_variable(:@error_handler)
      end
    end

    private

    # Runs all hooks, whatever becomes of each.
    # @return [Exception, nil] the first that was raised
    def run_shutdown_hooks
      error = nil
      until @tails.empty?
        begin
          @tails.pop.call
        rescue Exception => e
          error ||= e
        end
      end
      error
    ensure
      # Only after a throw out of a hook is something left.
      run_shutdown_hooks unless @tails.empty?
    end
  end
end
