# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

module EventMachine
  # Looks like a Hash from signatures to their objects, in the order of the signatures. The extension keeps the entries
  # and defines `[]`, `[]=`, `delete` and `keys`.
  class SignatureTable
    include Enumerable

    # @param kind [Integer] CONNECTIONS, SERVERS or TIMERS
    def initialize(kind)
      @kind = kind
    end

    # @yieldparam signature [Integer]
    # @yieldparam value [Object]
    def each
      return to_enum(:each) { size } unless block_given?

      keys.each { |signature| yield [signature, self[signature]] }
      self
    end
    alias each_pair each

    # @return [Array] the objects
    def values
      keys.map { |signature| self[signature] }
    end

    # @return [Integer] how many entries there are
    def size
      keys.size
    end
    alias length size

    # Whether there are no entries.
    def empty?
      keys.empty?
    end

    # Whether the signature has an entry.
    def key?(signature)
      !self[signature].nil?
    end
    alias has_key? key?
    alias include? key?
    alias member? key?

    # @yieldparam signature [Integer]
    def each_key(&block)
      keys.each(&block)
    end

    # @yieldparam value [Object]
    def each_value(&block)
      values.each(&block)
    end

    # @return [Hash]
    def to_h(&block)
      each.to_a.to_h(&block)
    end

    # @return [String] the same as of a Hash
    def inspect
      to_h.inspect
    end
  end
  private_constant :SignatureTable

  @conns = SignatureTable.new(SignatureTable::CONNECTIONS)
  @acceptors = SignatureTable.new(SignatureTable::SERVERS)
  @timers = SignatureTable.new(SignatureTable::TIMERS)
end
