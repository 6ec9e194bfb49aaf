# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

module EventMachine
  @tails = []
  @wrapped_exception = nil

  class << self
    # Registers a block that runs when the reactor ends, before the connections are unbound. The last one added runs
    # first. Works without a reactor, too: then the block belongs to the next one.
    # @raise [ArgumentError] without a block
    def add_shutdown_hook(&block)
      @tails << (block || raise(ArgumentError, "no block given"))
    end

    # Installs a handler for exceptions in callbacks. It is called with every StandardError, and with any exception in
    # `unbind`; then the reactor continues. An exception in the handler is raised by {run}. Without a handler an
    # exception in a callback ends the reactor and is raised by {run}.
    #
    # @param callback [#call, nil] used instead of the block; without either the handler is removed
    # @return [#call, nil] the handler installed or removed
    # @raise [ArgumentError] if the handler cannot be called; the former one stays
    def error_handler(callback = nil, &block)
      if (handler = callback || block)
        raise ArgumentError, "a handler that cannot be called" unless handler.respond_to?(:call)

        @error_handler = handler
      elsif instance_variable_defined?(:@error_handler)
        remove_instance_variable(:@error_handler)
      end
    end

    private

    # Runs all hooks, even if some raise.
    # @return [Exception, nil] the first exception that was raised
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
      # Some are left only after a throw out of a hook.
      run_shutdown_hooks unless @tails.empty?
    end
  end
end
