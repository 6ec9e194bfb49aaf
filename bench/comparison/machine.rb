# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "open3"
require "time"
require_relative "program"

module Comparison
  # The machine that the figures are of: which cores the server and the load get, and what the report says of it.
  class Machine
    # @return [Array<Integer>, nil] the core of the servers and that of the load; nil if there is only one
    def cores
      @cores ||= begin
        first, *others = allowed_cpus
        second = others.find { |cpu| !siblings(first).include?(cpu) } || others.first
        second && [first, second]
      end
    end

    # @param role [Symbol] :server or :load
    # @return [Array<String>] what to put before a command so that it runs on its own core
    def pin(role)
      return [] unless cores && taskset?

      ["taskset", "-c", cores[role == :server ? 0 : 1].to_s]
    end

    # @return [String, nil] what makes the figures less reliable here
    def warning
      return "only one core: server and load share it, the figures say little" unless cores

      "taskset is missing: server and load are not bound to cores of their own" unless taskset?
    end

    # @param programs [Array<Program>] that were measured
    # @param skipped [Array<String>] labels of those that could not be
    # @return [Array<Array(String, String)>] what the report says: subject and text
    def facts(programs, skipped)
      [["Date", Time.now.utc.strftime("%Y-%m-%d")], ["Processor", processor],
       ["Kernel", "#{output('uname', '-sr')}, #{io_uring}"], ["Compiler", compiler],
       ["Ruby", RUBY_DESCRIPTION], ["Default backend in Ruby", default_backend],
       ["Peers", versions(programs)], ["Left out", skipped.join(", ")]].reject { |_, text| text.empty? }
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

    # io_uring_setup(2), which has this number on nearly all processors; asked for a ring of no size, it makes none.
    def io_uring
      syscall(425, 0, 0)
    rescue Errno::EINVAL, Errno::EFAULT
      "with io_uring"
    rescue SystemCallError, NotImplementedError
      "without io_uring"
    end

    def default_backend
      script = 'require "eventmachine"; EM.run { puts EM.backend; EM.stop }'
      output({ "EM_BACKEND" => nil }, "ruby", "-I#{ROOT}/lib", "-e", script)
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
