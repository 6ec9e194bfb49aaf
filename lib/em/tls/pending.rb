# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

module EventMachine
  # Parameters of connections that have not started TLS: set by {EventMachine.set_tls_parms}, or of a `start_tls` that
  # has failed.
  # @private
  class TLSPending
    # At this size, the entries of ended connections are removed.
    ROOM = 32

    def initialize
      @by_signature = {}
      @room = ROOM
    end

    # @return [TLSParameters, nil]
    def take(signature)
      @by_signature.delete(signature) unless @by_signature.empty?
    end

    # @return [Boolean] whether there are some for this connection
    def for?(signature)
      @by_signature.key?(signature)
    end

    # @param signature [Integer] of a connection
    # @param parameters [TLSParameters]
    def keep(signature, parameters)
      remove_ended if @by_signature.size >= @room
      @by_signature[signature] = parameters
    end

    # @return [String] without keys
    def inspect
      "#<#{self.class.name}>"
    end

    private

    def remove_ended
      @by_signature.keep_if { |signature, _| EventMachine.send(:tls_role, signature) }
      @room = [ROOM, @by_signature.size * 2].max
    end
  end
end
