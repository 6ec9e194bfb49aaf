# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# usage: ruby -Ilib examples/ruby/popen.rb
#
# Child processes: one that is talked to, one whose output is collected, and one that is watched.

require "eventmachine"

# Sorts lines with sort(1).
class Sorter < EventMachine::Connection
  def initialize(lines)
    super
    @lines = lines
  end

  def post_init
    send_data(@lines.join("\n") << "\n")
    close_connection_after_writing # sort(1) prints nothing before the end of its input
  end

  def receive_data(data)
    puts data
  end

  def unbind
    puts "sort has exited with #{get_status.exitstatus}"
    count_words
  end

  private

  def count_words
    EventMachine.system("wc", "-w", __FILE__) do |output, status|
      puts "this file has #{output.to_i} words" if status.success?
      watch_a_process
    end
  end

  def watch_a_process
    pid = spawn("exit 7")
    EventMachine.watch_process(pid, Watch)
  end
end

# Reports the end of a process that the program has started by other means.
class Watch < EventMachine::ProcessWatch
  def process_exited
    puts "a process has ended, and its status is still there: #{Process.wait2(pid)[1].exitstatus}"
    EventMachine.stop
  end
end

EventMachine.run { EventMachine.popen("sort -r", Sorter, %w[alpha gamma beta]) }
