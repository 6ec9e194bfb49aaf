#!/usr/bin/env ruby
# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

# Measures what it takes to make a Deferrable, add a callback and let it succeed, in processor time, beside a floor in plain
# Ruby for the same work (an object, an Array, a loop over blocks) and beside the original. The three run in turn, each time in
# a process of its own. Prints medians, of the times and of their ratios to the floor of the same round, as a line of JSON.
#
#   bench/utilities_deferrables.rb [ROUNDS]

require "json"
require "open3"
require "rbconfig"
require_relative "library"

# The least that can do it.
class Floor
  def initialize
    @blocks = []
  end

  def callback(&block)
    @blocks << block
    self
  end

  def succeed(*args)
    @blocks.each { |block| block.call(*args) }
  end
end

COUNT = 300_000
PASSES = 5
NAMES = %w[floor ours original].freeze

# @return [Float] microseconds for one object
def pass_us(type)
  sum = i = 0
  start = Library.cpu_us
  while i < COUNT
    type.new.callback { |value| sum += value }.succeed(1)
    i += 1
  end
  taken = Library.cpu_us - start
  sum == COUNT ? taken / COUNT : abort("only #{sum} callbacks were called")
end

def measure(name)
  Library.load(name) unless name == "floor"
  type = name == "floor" ? Floor : EM::DefaultDeferrable
  Array.new(PASSES) { pass_us(type) }.min
end

def measured(name)
  output, status = Open3.capture2(RbConfig.ruby, __FILE__, "--measure", name)
  abort "#{name} failed" unless status.success?
  Float(output)
end

def median(values)
  values.sort[values.size / 2].round(3)
end

def compare(rounds)
  times = Array.new(rounds) { NAMES.to_h { |name| [name, measured(name)] } }
  NAMES.to_h do |name|
    [name, { us: median(times.map { |it| it[name] }), ratio: median(times.map { |it| it[name] / it["floor"] }) }]
  end
end

if ARGV[0] == "--measure"
  puts measure(ARGV.fetch(1))
else
  puts JSON.generate(compare(Integer(ARGV.fetch(0, 9))))
end
