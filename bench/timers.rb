#!/usr/bin/env ruby
# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

# Measures EM.add_timer in processor time: adding many timers, and running them when they are due. Prints one line of
# JSON.

require "json"
require_relative "library"

SPREAD_SECONDS = 1.0

count = Library.load_by_options(100_000)
random = Random.new(1)
delays = Array.new(count) { random.rand(SPREAD_SECONDS) }
pending = count
EM.set_max_timers(count + 100)
GC.start
start = added = nil
EM.run do
  start = Library.cpu_us
  delays.each { |delay| EM.add_timer(delay) { EM.stop if (pending -= 1).zero? } }
  added = Library.cpu_us
end
puts JSON.generate(count: count, add_us: (added - start) / count, fire_us: (Library.cpu_us - added) / count,
                   add_and_fire_us: (Library.cpu_us - start) / count)
