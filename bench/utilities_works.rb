#!/usr/bin/env ruby
# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

# The works of bench/utilities, each twice: with the library, and in plain Ruby as the floor. As a program, this file
# does one of them and prints its cost in microseconds of processor time per unit:
#
# usage: ruby bench/utilities_works.rb NAME floor|ours|original

require_relative "library"

# One module for each work: `title`, `units` (how many in one run), `floor` and `library`.
module UtilitiesWorks
  # 16 KiB pieces of 64-byte lines that do not end where the pieces end.
  module Lines
    TEXT = ("#{'x' * 63}\n" * 1024).b.freeze

    def units
      pieces.sum { |piece| piece.count("\n") }
    end

    def pieces
      @pieces ||= (TEXT * 100).unpack("a16384" * (TEXT.size * 100 / 16_384)).map { |piece| piece.b.freeze }.unshift("xx".b)
    end
  end

  module LineText2
    extend Lines
    module_function

    def title
      "LineText2, a line"
    end

    # Counts the bytes in its lines.
    class Floor
      attr_reader :bytes

      def receive_line(line)
        @bytes = (@bytes || 0) + line.bytesize
      end
    end

    def floor
      receiver = Floor.new
      rest = "".b
      pieces.each do |piece|
        buffer = rest << piece
        start = 0
        while (stop = buffer.index("\n", start))
          receiver.receive_line(buffer.byteslice(start, stop - start))
          start = stop + 1
        end
        rest = buffer.byteslice(start, buffer.bytesize)
      end
    end

    def library
      receiver = Floor.new.extend(EM::Protocols::LineText2)
      receiver.singleton_class.send(:define_method, :receive_line, Floor.instance_method(:receive_line))
      pieces.each { |piece| receiver.receive_data(piece) }
    end
  end

  module BufferedTokenizer
    extend Lines
    module_function

    def title
      "BufferedTokenizer, a line"
    end

    def floor
      rest = "".b
      pieces.each do |piece|
        buffer = rest << piece
        lines = []
        start = 0
        while (stop = buffer.index("\n", start))
          lines << buffer.byteslice(start, stop - start)
          start = stop + 1
        end
        rest = buffer.byteslice(start, buffer.bytesize)
      end
    end

    def library
      tokenizer = ::BufferedTokenizer.new("\n")
      pieces.each { |piece| tokenizer.extract(piece) }
    end
  end

  module Deferrable
    module_function

    def title
      "Deferrable: make, callback, succeed"
    end

    def units
      200_000
    end

    # A list of blocks, and the arguments with which they are called.
    class Floor
      def initialize
        @blocks = []
      end

      def callback(&block)
        @blocks << block
        self
      end

      def succeed(*arguments)
        @blocks.each { |block| block.call(*arguments) }
      end
    end

    def floor
      use(Floor)
    end

    def library
      use(EM::DefaultDeferrable)
    end

    def use(maker)
      sum = 0
      units.times do |i|
        deferrable = maker.new
        deferrable.callback { |value| sum += value }
        deferrable.succeed(i)
      end
    end
  end

  module Queue
    module_function

    def title
      "Queue, push and pop"
    end

    def units
      200_000
    end

    # An Array of items, and a block for each.
    def floor
      items = []
      sum = 0
      units.times do |i|
        items.push(i)
        block = proc { |item| sum += item }
        block.call(items.shift)
      end
    end

    def library
      queue = EM::Queue.new
      sum = 0
      units.times do |i|
        queue.push(i)
        queue.pop { |item| sum += item }
      end
    end
  end

  # The same for blocks that are queued before the items.
  module WaitingQueue
    module_function

    def title
      "Queue, pop and push"
    end

    def units
      Queue.units
    end

    def floor
      Queue.floor
    end

    def library
      queue = EM::Queue.new
      sum = 0
      units.times do |i|
        queue.pop { |item| sum += item }
        queue.push(i)
      end
    end
  end

  module Channel
    SUBSCRIBERS = 10
    module_function

    def title
      "Channel, push to #{SUBSCRIBERS}"
    end

    def units
      100_000
    end

    def floor
      sum = 0
      blocks = Array.new(SUBSCRIBERS) { proc { |item| sum += item } }
      units.times { |i| blocks.each { |block| block.call(i) } }
    end

    def library
      sum = 0
      channel = EM::Channel.new
      SUBSCRIBERS.times { channel.subscribe { |item| sum += item } }
      units.times { |i| channel.push(i) }
    end
  end

  module Iterator
    CONCURRENCY = 10
    module_function

    def title
      "Iterator, an item"
    end

    def units
      200_000
    end

    # A block for each item, queued and called.
    def floor
      sum = 0
      waiting = []
      foreach = ->(item) { sum += item }
      (1..units).to_a.each do |item|
        waiting.push(proc { foreach.call(item) })
        waiting.shift.call
      end
    end

    def library
      sum = 0
      foreach = ->(item, turn) { (sum += item) && turn.next }
      EM::Iterator.new(1..units, CONCURRENCY).each(foreach, -> { EM.stop })
    end
  end

  ALL = { "lines" => LineText2, "tokens" => BufferedTokenizer, "deferrable" => Deferrable, "queue" => Queue,
          "waiting_queue" => WaitingQueue, "channel" => Channel, "iterator" => Iterator }.freeze

  module_function

  # @return [Float] microseconds per unit in the second of two runs, because the first one grows the heap
  def measure(work, subject)
    Library.load(subject) unless subject == "floor"
    2.times.map { subject == "floor" ? timed { work.floor } : in_reactor(work) }.last / work.units
  end

  # The reactor's own start and end are not measured. An iterator takes several turns, so its end is when the reactor
  # stops.
  def in_reactor(work)
    start = nil
    EM.run do
      GC.start
      start = Library.cpu_us
      work.library
      EM.stop unless work == Iterator
    end
    Library.cpu_us - start
  end

  def timed
    GC.start
    start = Library.cpu_us
    yield
    Library.cpu_us - start
  end
end

if $PROGRAM_NAME == __FILE__
  work = UtilitiesWorks::ALL[ARGV[0]]
  usable = work && %w[floor ours original].include?(ARGV[1]) && ARGV.size == 2
  abort "usage: ruby #{$PROGRAM_NAME} NAME floor|ours|original" unless usable
  begin
    cost = UtilitiesWorks.measure(work, ARGV[1])
    others = $LOADED_FEATURES.grep(%r{/em/}).reject { |file| file.start_with?("#{Library::ROOT}/") == (ARGV[1] == "ours") }
    abort "found #{others.first} instead" unless others.empty?
    puts cost
  rescue NameError, LoadError => e
    abort e.message
  end
end
