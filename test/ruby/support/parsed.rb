# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# Runs a protocol in an object without a connection, which records its callbacks, on input that is split in every way.

require_relative "segmentation"

module Parsed
  include Segmentation

  # The base of classes that include a protocol: records each callback and runs the script for it.
  class Recorder
    attr_reader :events, :sent, :closed

    # @param script [Hash{Symbol => Proc}] by callback; called with this object and the callback's arguments
    def initialize(**script)
      @events = []
      @script = script
      @sent = "".b
      @closed = 0
    end

    def send_data(data)
      @sent << data
    end

    def close_connection
      @closed += 1
    end

    def told(callback, *arguments)
      @events << [callback, *arguments.map(&:dup)]
      @script[callback]&.call(self, *arguments)
    end

    # @param callbacks [Array<Symbol>]
    def self.records(*callbacks)
      callbacks.each { |name| define_method(name) { |*arguments| told(name, *arguments) } }
    end
  end

  # @param make [Proc] returns a new object
  # @return [Array] its events, which must be the same wherever the input is split
  def events_at_every_split(input, make, **options)
    assert_same_at_every_split(input, **options) do |pieces|
      parser = make.call
      pieces.each { |piece| parser.receive_data(piece) }
      yield parser if block_given?
      parser.events
    end
  end
end
