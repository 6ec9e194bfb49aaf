# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "optparse"
require "socket"

# Shared by the Ruby programs of the benchmark: their arguments, the limit of descriptors, and which EventMachine is
# loaded. Both are required by the same name, so the program checks that the requested one was found.
module Library
  ROOT = File.expand_path("..", __dir__)

  module_function

  # The port with which the program was started.
  # @return [Integer]
  def port
    abort "usage: #{$PROGRAM_NAME} PORT" unless ARGV.size == 1 && ARGV[0].to_i.between?(1, 65_535)
    ARGV[0].to_i
  end

  # The arguments with which a program that speaks TLS was started.
  # @return [Array(Integer, String, String)] port, certificate file and key file
  def tls_arguments
    port = ARGV[0].to_i
    abort "usage: #{$PROGRAM_NAME} PORT CERTIFICATE_FILE KEY_FILE" unless ARGV.size == 3 && port.between?(1, 65_535)
    [port, ARGV[1], ARGV[2]]
  end

  # Loads the EventMachine named by --library, ours by default.
  # @return [Integer] the COUNT of the command line
  def load_by_options(default_count)
    name = "ours"
    OptionParser.new("usage: #{$PROGRAM_NAME} [--library ours|original] [COUNT]") do |parser|
      parser.on("--library NAME", %w[ours original]) { |given| name = given }
    end.parse!
    load(name)
    Integer(ARGV.fetch(0, default_count))
  end

  # @return [Integer] the new limit of descriptors
  def raise_descriptor_limit
    hard = Process.getrlimit(Process::RLIMIT_NOFILE).last
    Process.setrlimit(Process::RLIMIT_NOFILE, hard, hard)
    hard
  end

  # @param name [String] "ours" (of this checkout) or "original" (of the system), which uses epoll only on request
  def load(name)
    ours = File.join(ROOT, "lib")
    name == "ours" ? $LOAD_PATH.unshift(ours) : $LOAD_PATH.delete(ours)
    require "eventmachine"
    found = $LOADED_FEATURES.grep(%r{/(ruby)?eventmachine\.(rb|so)\z})
    strangers = found.reject { |file| file.start_with?("#{ROOT}/") == (name == "ours") }
    abort "#{name}: found #{strangers.join(' and ')} instead" unless strangers.empty?
    EM.epoll
  end

  # @return [Float] processor time of this process in microseconds
  def cpu_us
    Process.clock_gettime(Process::CLOCK_PROCESS_CPUTIME_ID, :float_microsecond)
  end
end
