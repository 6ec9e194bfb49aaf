#!/usr/bin/env ruby
# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

# Measures EM.popen in processor time of this program itself: children one after the other, each of which prints a line
# and exits. Prints one line of JSON.

require "json"
require_relative "library"

LEFT = [Library.load_by_options(1000)]
COMMAND = %w[/bin/echo text].freeze
count = LEFT[0]

# Starts the next one when it has ended.
class Child < EM::Connection
  def receive_data(_data)
  end

  def unbind
    abort "a child has failed" unless get_status.success?
    (LEFT[0] -= 1).zero? ? EM.stop : EM.popen(COMMAND.dup, Child)
  end
end

GC.start
start = Library.cpu_us
EM.run { EM.popen(COMMAND.dup, Child) }
puts JSON.generate(count: count, child_us: (Library.cpu_us - start) / count)
