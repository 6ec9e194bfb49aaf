# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "tempfile"
require_relative "../measurement"

module Comparison
  # The number of system calls that a busy server makes per message. strace slows everything down but does not change
  # the number, so one round is enough. Opening and closing the connections is counted, too, but is negligible with so
  # many messages. Operations submitted to a ring are not counted, but the call that submits them is.
  class SystemCalls < Measurement
    CONNECTIONS = 100
    SECONDS = 2
    TARGETS = { "eventmachine-c" => Target.at_most(2.1), "eventmachine-ruby" => Target.at_most(2.1) }.freeze
    COLUMNS = ["", "read", "write", "ring", "wait", "other", "in all", "target"].freeze

    KINDS = {
      "read" => %w[read readv recv recvfrom recvmsg],
      "write" => %w[write writev send sendto sendmsg],
      "ring" => %w[io_uring_enter],
      "wait" => %w[epoll_wait epoll_pwait epoll_pwait2 poll ppoll select pselect6]
    }.freeze

    def name
      "syscalls"
    end

    def rounds
      1
    end

    def seconds_each(_program)
      SECONDS + 0.3
    end

    def measure(program, _case)
      Server.run(program, @machine, kind) do |server|
        messages = nil
        counts = count(server.pid) do
          messages = server.load(mode: "echo", connections: CONNECTIONS, seconds: SECONDS, warmup: 0)["messages_in_all"]
        end
        counts.transform_values { |calls| calls.to_f / messages }
      end
    end

    def tables
      [table("System calls per message, busy, #{CONNECTIONS} connections", COLUMNS, nil) do |program|
        figures = [*KINDS.keys, "other", "all"].map { |kind| results.median(nil, program, kind) }
        verdict = verdict(TARGETS, program, figures.last, "system calls per message")
        [*figures.map { |figure| number(figure, 3) }, verdict]
      end]
    end

    private

    # @return [Hash] how many calls of each kind the process made while the block ran
    def count(pid)
      Tempfile.create("strace") do |summary|
        trace(pid, summary.path) { yield }
        sort(summary.read)
      end
    end

    def trace(pid, path)
      strace = IO.popen(["strace", "-f", "-c", "-o", path, "-p", pid.to_s], err: %i[child out])
      first = strace.gets.to_s
      raise Failure, first.strip unless first.include?("attached")

      yield
      Process.kill(:INT, strace.pid)
    rescue Errno::ENOENT
      raise Failure, "strace is missing"
    ensure
      strace&.read
      strace&.close
    end

    # Columns of the summary: % time, seconds, usecs/call, calls, errors (if any), name.
    def sort(summary)
      counts = Hash.new(0)
      summary.scan(/^ *[\d.]+ +[\d.]+ +\d+ +(\d+) +(?:\d+ +)?(\w+)$/) do |calls, call|
        next if call == "total"

        kind = KINDS.find { |_, calls_of_kind| calls_of_kind.include?(call) }&.first || "other"
        counts[kind] += calls.to_i
        counts["all"] += calls.to_i
      end
      [*KINDS.keys, "other", "all"].to_h { |kind| [kind, counts[kind]] }
    end
  end
end
