# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

module EventMachine
  # The parameters and contexts of the latest calls of `start_tls`, by their options. Most programs pass the same
  # options for each connection, and checking them again would take a third of the time that Ruby adds to a handshake.
  # @private
  class TLSRecent
    LIMIT = 16

    # What was made of options, as long as their files can be used.
    class Entry
      attr_reader :options, :parameters, :context

      # @param options [Hash] a copy
      # @param parameters [TLSParameters]
      # @param context [TLSContext]
      def initialize(options, parameters, context)
        @options = options
        @parameters = parameters
        @context = context
      end

      # @return [Boolean] false if a file has changed, unless its new content was refused
      def current?
        @parameters.current? || (!@refused.nil? && @refused == @parameters.file_states)
      end

      # Keeps what was made of the earlier content until the files change again.
      # @param states [Array] see {TLSParameters#file_states}
      def refuse(states, error)
        @refused = states
        warn "EventMachine goes on with the earlier TLS files, because the new ones cannot be used: #{error.message}"
      end

      # @return [String] without keys
      def inspect
        "#<#{self.class.name}>"
      end
    end
    private_constant :Entry

    def initialize
      @entries = { server: {}, client: {} }
    end

    # @param role [Symbol] :server or :client
    # @param options [Hash] not one of a derived class, whose values may be others than those of an equal Hash
    # @return [Entry, nil] nil if the options are unknown
    def find(role, options)
      return unless plain?(options)

      entries = @entries.fetch(role)
      entry = entries[options]
      put_last(entries, entry) if entry && entries.size == LIMIT
      entry
    end

    # @param parameters [TLSParameters] checked for this role
    # @param context [TLSContext]
    # @return [Entry]
    def keep(role, options, parameters, context)
      entry = Entry.new(TLSValues.copy(options), parameters, context)
      return entry unless plain?(options)

      entries = @entries.fetch(role)
      put_last(entries, entry)
      entries.shift if entries.size > LIMIT
      entry
    end

    # @return [String] without keys
    def inspect
      "#<#{self.class.name}>"
    end

    private

    # The first entry is the one that is removed when there are too many.
    def put_last(entries, entry)
      entries.delete(entry.options)
      entries[entry.options] = entry
    end

    def plain?(options)
      options.instance_of?(Hash) && options.default.nil? && !options.default_proc
    end
  end
end
