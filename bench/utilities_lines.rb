# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# What cutting lines costs: ruby bench/utilities_lines.rb [ROUNDS]
#
# Processor time per line of 64 bytes that arrive 16 KiB at a time, beside a floor, which does the least that plain Ruby can: it
# finds each line end and takes the line. Ours and, where it is installed, the original gem are run in turn with the floor, each in a
# process of its own; printed are the medians of all rounds, and of each round's multiple of the floor.

require "rbconfig"

LIBRARY = File.expand_path("../lib", __dir__)
LINE = "#{'x' * 63}\n"
PIECE = (LINE * 256).b.freeze
PIECES = 2_000

# Pieces whose ends are no line ends, as those of a network are.
SHIFTED = (LINE.byteslice(40..) + PIECE.byteslice(0, PIECE.bytesize - 24)).b.freeze

# What is measured: takes all pieces, returns the number of lines.
TASKS = {
  "floor" => lambda do |piece|
    lines = 0
    PIECES.times do
      start = 0
      while (found = piece.index("\n", start))
        piece.byteslice(start, found - start)
        start = found + 1
        lines += 1
      end
    end
    lines
  end,
  "LineText2" => ->(piece) { count_lines(EventMachine::Protocols::LineText2, piece) },
  "BufferedTokenizer" => lambda do |piece|
    tokenizer = BufferedTokenizer.new("\n")
    lines = 0
    PIECES.times { lines += tokenizer.extract(piece).size }
    lines
  end
}.freeze

def count_lines(protocol, piece)
  counter = Class.new do
    include protocol
    attr_reader :lines

    def initialize
      @lines = 0
    end

    def receive_line(_line)
      @lines += 1
    end
  end.new
  PIECES.times { counter.receive_data(piece) }
  counter.lines
end

# The child: prints microseconds per line.
def measure(task, piece)
  require "eventmachine" unless task == "floor"
  start = Process.clock_gettime(Process::CLOCK_PROCESS_CPUTIME_ID)
  lines = TASKS.fetch(task).call(piece)
  raise "#{task} lost lines" unless lines.between?(PIECES * 256 - 1, PIECES * 256)

  puts (Process.clock_gettime(Process::CLOCK_PROCESS_CPUTIME_ID) - start) / lines * 1e6
end

# @param library [Array<String>] options that make Ruby load one gem or the other
# @return [Float, nil]
def run(task, pieces, library)
  output = IO.popen([RbConfig.ruby, "-W0", *library, __FILE__, "--measure", task, pieces, err: File::NULL], &:read)
  Float(output, exception: false)
end

def median(numbers)
  numbers.compact.sort[numbers.compact.size / 2]
end

def report(name, times, floors)
  return puts format("%-42s not measured", name) unless times.all?

  ratios = times.zip(floors).map { |time, floor| time / floor }
  puts format("%-42s %6.3f us %6.2f x", name, median(times), median(ratios))
end

def compare(task, pieces, rounds)
  floors, ours, originals = Array.new(rounds) do
    [run("floor", pieces, []), run(task, pieces, ["-I", LIBRARY]), run(task, pieces, [])]
  end.transpose
  name = "#{task}, #{pieces}"
  report("#{name}: floor", floors, floors)
  report("#{name}: ours", ours, floors)
  report("#{name}: original", originals, floors)
end

if ARGV.first == "--measure"
  measure(ARGV[1], ARGV[2] == "shifted" ? SHIFTED : PIECE)
else
  (TASKS.keys - ["floor"]).product(%w[whole shifted]) { |task, pieces| compare(task, pieces, Integer(ARGV.fetch(0, 5))) }
end
