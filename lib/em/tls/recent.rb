# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

module EventMachine
  # The parameters and contexts of the latest calls of `start_tls`, by their options. Most programs pass the same
  # options for each connection, and checking them again would take a third of the time that Ruby adds to a handshake.
  # @private
  class TLSRecent
    LIMIT = 16

    Entry = Struct.new(:parameters, :context)
    private_constant :Entry

    def initialize
      @entries = { server: {}, client: {} }
    end

    # @param role [Symbol] :server or :client
    # @param options [Hash] not one of a derived class, whose values may be others than those of an equal Hash
    # @return [#parameters, #context, nil] nil if the options are unknown, or a file that they name has changed
    def find(role, options)
      return unless plain?(options)

      entry = @entries.fetch(role)[options] or return
      return entry if entry.parameters.current?

      @entries.fetch(role).delete(options)
      nil
    end

    # @param parameters [TLSParameters] checked for this role
    # @param context [TLSContext]
    def keep(role, options, parameters, context)
      return unless plain?(options)

      entries = @entries.fetch(role)
      entries.shift if entries.size >= LIMIT
      entries[TLSValues.copy(options)] = Entry.new(parameters, context)
    end

    # @return [String] without keys
    def inspect
      "#<#{self.class.name}>"
    end

    private

    def plain?(options)
      options.instance_of?(Hash) && options.default.nil? && !options.default_proc
    end
  end
end
