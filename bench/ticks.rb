#!/usr/bin/env ruby
# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

# Measures EM.next_tick in processor time, in both ways of use: many calls queued at once and then run, and each queued
# by the one before, which takes one turn of the loop each. Prints one line of JSON.

require "json"
require_relative "library"

def queued_us(count)
  pending = count
  start = nil
  EM.run do
    start = Library.cpu_us
    count.times { EM.next_tick { EM.stop if (pending -= 1).zero? } }
  end
  (Library.cpu_us - start) / count
end

def chained_us(count)
  pending = count
  start = nil
  tick = -> { (pending -= 1).zero? ? EM.stop : EM.next_tick(tick) }
  EM.run do
    start = Library.cpu_us
    EM.next_tick(tick)
  end
  (Library.cpu_us - start) / count
end

count = Library.load_by_options(200_000)
GC.start
puts JSON.generate(count: count, queued_us: queued_us(count), chained_us: chained_us(count))
