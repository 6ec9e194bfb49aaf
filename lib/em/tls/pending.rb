# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

module EventMachine
  # Parameters of connections that have not started TLS: a program has set them by hand, or `start_tls` has failed.
  # @private
  class TLSPending
    # How many there may be before those of ended connections are removed.
    ROOM = 32

    def initialize
      @by_signature = {}
      @room = ROOM
    end

    # @return [TLSParameters, nil]
    def take(signature)
      @by_signature.delete(signature) unless @by_signature.empty?
    end

    # Whether there are none.
    def empty?
      @by_signature.empty?
    end

    # @param signature [Integer] of a connection
    # @param parameters [TLSParameters]
    def keep(signature, parameters)
      remove_ended if @by_signature.size >= @room
      @by_signature[signature] = parameters
    end

    # Without the keys.
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
