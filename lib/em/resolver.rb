# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "resolv"
require "em/dns/request"
require "em/dns/socket"
require "em/dns/resolver"

module EventMachine
  # Looking up host names without blocking the reactor. Most programs need nothing of this: {EventMachine.connect} takes
  # names.
  module DNS
    # A request with this id is registered already.
    class RequestIdAlreadyUsed < RuntimeError; end

    @lookups = {}

    class << self
      # Begins one try of a request.
      # @private
      # @return [Integer] the lookup's number
      # @raise [ArgumentError] if the name is malformed
      def begin_lookup(request, name, servers, seconds)
        forget_other_runs
        number = EventMachine.send(:begin_lookup, name, servers, seconds)
        @lookups[number] = request
        number
      end

      # @private
      def cancel_lookup(number)
        EventMachine.send(:cancel_lookup, number) if @lookups.delete(number) && current_run?
      end

      private

      # Called by the extension.
      def finish(number, status, response_code, addresses)
        @lookups.delete(number)&.finish_try(number, status, response_code, addresses || [])
      end

      def current_run?
        EventMachine.reactor_running? && @run.equal?(EventMachine.instance_variable_get(:@present_run))
      end

      # Lookups end with the reactor that they were begun in.
      def forget_other_runs
        return if current_run?

        @lookups.clear
        @run = EventMachine.instance_variable_get(:@present_run)
      end
    end
  end
end
