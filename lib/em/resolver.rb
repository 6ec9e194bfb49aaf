# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "resolv"
require "em/dns/request"
require "em/dns/socket"
require "em/dns/resolver"

module EventMachine
  # Resolving host names without blocking the reactor. Most programs do not need it: {EventMachine.connect} takes
  # names.
  module DNS
    # Another request is registered with this id.
    class RequestIdAlreadyUsed < RuntimeError; end

    @lookups = {}

    class << self
      # Asks the name servers once for a request.
      # @private
      # @return [Integer] the signature of the lookup
      # @raise [ArgumentError] if the name is malformed
      def begin_lookup(request, name, servers, seconds)
        forget_other_runs
        signature = EventMachine.send(:begin_lookup, name, servers, seconds)
        @lookups[signature] = request
        signature
      end

      # @private
      def cancel_lookup(signature)
        EventMachine.send(:cancel_lookup, signature) if @lookups.delete(signature) && current_run?
      end

      private

      # Called by the extension.
      def finish(signature, status, response_code, addresses)
        @lookups.delete(signature)&.finish_try(signature, status, response_code, addresses || [])
      end

      def current_run?
        EventMachine.reactor_running? && @run.equal?(EventMachine.instance_variable_get(:@present_run))
      end

      # Lookups end with the run of the reactor that they were begun in.
      def forget_other_runs
        return if current_run?

        @lookups.clear
        @run = EventMachine.instance_variable_get(:@present_run)
      end
    end
  end
end
