# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "etc"
require "open3"
require "time"
require_relative "program"

module Comparison
  # The machine on which everything is measured: the cores for the server and the load generator, and the facts for the
  # report.
  class Machine
    # @return [Array<Integer>, nil] cores of the servers and of the load generator; nil if there is only one
    def cores
      @cores ||= begin
        first, *others = allowed_cpus
        second = others.find { |cpu| !siblings(first).include?(cpu) } || others.first
        second && [first, second]
      end
    end

    # @param role [Symbol] :server or :load
    # @return [Array<String>] the words before a command that make it run on its own core
    def pin(role)
      return [] unless cores && taskset?

      ["taskset", "-c", cores[role == :server ? 0 : 1].to_s]
    end

    # @return [String, nil] the reason why figures are less reliable on this machine
    def warning
      return "only one core: server and load generator share it, and the figures say little" unless cores

      "taskset is missing: server and load generator are not bound to one core each" unless taskset?
    end

    # @param programs [Array<Program>] that were measured
    # @param skipped [Array<String>] labels of those that could not be measured
    # @param before [Checkout, nil] the checkout with which ours was compared
    # @return [Array<Array(String, String)>] the facts of the report: subject and text
    def facts(programs, skipped, before)
      [["Date", Time.now.utc.strftime("%Y-%m-%d")], ["Processor", processor],
       ["Kernel", "#{output('uname', '-sr')}, #{io_uring}"], ["Compiler", compiler],
       ["Ruby", RUBY_DESCRIPTION], ["Default backend in Ruby", HERE.default_backend],
       ["Before", before ? "commit #{before.commit}, default backend in Ruby: #{before.default_backend}" : ""],
       ["Peers", versions(programs)], ["Left out", skipped.join("; ")],
       ["Taken by others", others]].reject { |_, text| text.empty? }
    end

    # Measures, while the block runs, how much of the cores others use.
    def watch
      busy, ours, began = busy_seconds, our_seconds, now
      yield
    ensure
      core_seconds = (now - began) * measuring_cores.size
      @others_share = [busy_seconds - busy - (our_seconds - ours), 0].max / core_seconds
    end

    private

    def allowed_cpus
      list = File.read("/proc/self/status")[/^Cpus_allowed_list:\s*(\S+)/, 1]
      expand(list)
    end

    def siblings(cpu)
      expand(File.read("/sys/devices/system/cpu/cpu#{cpu}/topology/thread_siblings_list").strip)
    rescue SystemCallError
      [cpu]
    end

    # Calls io_uring_setup(2), which has this number on nearly all processors. Asked for a ring without entries, it
    # creates none.
    def io_uring
      syscall(425, 0, 0)
    rescue Errno::EINVAL, Errno::EFAULT
      "with io_uring"
    rescue SystemCallError, NotImplementedError
      "without io_uring"
    end

    def others
      @others_share ? "#{(@others_share * 100).round(1)} % of the time of the cores that were measured on" : ""
    end

    def measuring_cores
      cores || allowed_cpus.first(1)
    end

    # Of both cores since the machine started: everything except idling and waiting for disks, including the
    # hypervisor's share.
    def busy_seconds
      ticks = File.readlines("/proc/stat").sum do |line|
        name, user, nice, system, _idle, _iowait, *interrupts_and_stolen = line.split
        next 0 unless measuring_cores.any? { |cpu| name == "cpu#{cpu}" }

        [user, nice, system, *interrupts_and_stolen.first(3)].sum(&:to_i)
      end
      ticks.to_f / Etc.sysconf(Etc::SC_CLK_TCK)
    end

    # Of this process and of its children that have ended.
    def our_seconds
      times = Process.times
      times.utime + times.stime + times.cutime + times.cstime
    end

    def now
      Process.clock_gettime(Process::CLOCK_MONOTONIC)
    end

    # "0-2,5" to [0, 1, 2, 5]
    def expand(list)
      list.split(",").flat_map do |range|
        first, last = range.split("-").map(&:to_i)
        (first..(last || first)).to_a
      end
    end

    def taskset?
      @taskset = system("taskset", "-V", out: File::NULL, err: File::NULL) if @taskset.nil?
      @taskset
    end

    def processor
      model = File.read("/proc/cpuinfo")[/^model name\s*: (.*)/, 1] || RbConfig::CONFIG["host_cpu"]
      "#{model}, #{allowed_cpus.size} cores"
    end

    def compiler
      output(ENV.fetch("CC", "cc"), "--version").lines.first.to_s.strip
    end

    def versions(programs)
      programs.select(&:package).map { |program| "#{program.label} #{version(program.package)}".strip }.join(", ")
    end

    def version(package)
      output("dpkg-query", "-W", "-f", "${Version}", package)
    end

    def output(*command)
      text, status = Open3.capture2(*command, err: File::NULL)
      status.success? ? text.strip : ""
    rescue SystemCallError
      ""
    end
  end
end
