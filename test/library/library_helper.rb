# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# What the tests of the library's users start from: child processes that are talked to, and that end with their test.

require "minitest/autorun"
require "open3"
require "socket"
require "timeout"
require "tmpdir"

# A test that starts programs.
class LibraryTest < Minitest::Test
  ROOT = File.expand_path("../..", __dir__)
  # Seconds, for what must not take for ever.
  PATIENCE = 60

  # The functions that the headers declare.
  # @return [Array<String>]
  def api_functions
    headers = Dir[File.join(ROOT, "include/eventmachine/*.h")].map { |file| File.read(file) }
    headers.flat_map { |text| text.scan(/^EM_API [^(;]*?\b(em_\w+)\(/) }.flatten
  end

  # A running program. What it prints, errors included, is read line by line.
  Running = Struct.new(:process, :input, :output) do
    def gets = Timeout.timeout(PATIENCE) { output.gets }
    def read = Timeout.timeout(PATIENCE) { output.read }

    # @return [Process::Status]
    def status = Timeout.timeout(PATIENCE) { process.value }

    # The port that it says it listens on.
    def port
      line = gets
      line.to_s[/\Alistening on 127\.0\.0\.1:(\d+)$/, 1]&.to_i or raise "it said #{line.inspect} #{read}"
    end
  end

  def teardown
    [*@sockets, *@running&.flat_map { |each| [each.input, each.output] }].each(&:close)
    @running&.each do |each|
      Process.kill(:KILL, each.process.pid) if each.process.alive?
      each.process.join
    end
  end

  def start(*command, environment: {})
    input, output, process = Open3.popen2e(environment, *command.map(&:to_s))
    Running.new(process, input, output).tap { |running| (@running ||= []) << running }
  end

  # @return [Array(String, Process::Status)] all that it has printed, and how it ended
  def run_to_end(*command, **options)
    running = start(*command, **options)
    running.input.close
    [running.read, running.status]
  end

  def visit(port)
    TCPSocket.new("127.0.0.1", port).tap { |socket| (@sockets ||= []) << socket }
  end

  # What the socket receives until it has that text or the end.
  def expect(text, socket)
    received = +""
    Timeout.timeout(PATIENCE) { received << socket.readpartial(65_536) until received.include?(text) }
    received
  rescue EOFError
    flunk "#{text.inspect} was expected, #{received.inspect} received"
  end

  def read_to_end(socket)
    Timeout.timeout(PATIENCE) { socket.read }
  end

  # A port on which nobody listens: bound, and not listening.
  def closed_port
    socket = Socket.new(:INET, :STREAM).tap { |made| (@sockets ||= []) << made }
    socket.bind(Addrinfo.tcp("127.0.0.1", 0))
    socket.local_address.ip_port
  end
end

# Compiles programs of a page as a reader would, but with the sanitizers and with warnings as errors.
module Compiling
  ROOT = LibraryTest::ROOT
  FOLDER = Dir.mktmpdir.tap { |made| Minitest.after_run { FileUtils.remove_entry(made) } }
  COMPILER = "gcc -std=c11 -D_POSIX_C_SOURCE=200809L -O1 -Wall -Wextra -Wpedantic -Werror " \
             "-fsanitize=address,undefined -fno-sanitize-recover=all -pthread"

  module_function

  # @return [String] the executable file
  def compile(source)
    libraries = [*("-luring" if uring?), *("-lcares" if cares?), *(%w[-lssl -lcrypto] if tls?)]
    run_compiler(source, "#{ROOT}/build/asan/libeventmachine.a", *libraries)
  end

  # Compiles what is a part of a program: its functions need no user.
  def compile_part(source)
    run_compiler("#include <eventmachine.h>\n#{source}", "-c", "-Wno-unused-function", "-Wno-unused-const-variable")
  end

  # Whether the library was built with OpenSSL: FindOpenSSL notes where it is when it has found it.
  def tls? = File.read("#{ROOT}/build/asan/CMakeCache.txt").match?(/^FIND_PACKAGE_MESSAGE_DETAILS_OpenSSL:/)

  def uring? = File.read("#{ROOT}/build/asan/CMakeCache.txt").match?(/^HAVE_LIBURING:\w+=1$/)

  def cares? = File.read("#{ROOT}/build/asan/CMakeCache.txt").match?(/^HAVE_CARES:\w+=1$/)

  # @param changes [Hash] what stands for what, such as a free port for 8081
  def replace(source, changes)
    changes.reduce(source) do |text, (from, to)|
      text.include?(from.to_s) ? text.gsub(from.to_s, to.to_s) : raise("no #{from} in the program")
    end
  end

  def run_compiler(source, *rest)
    file = File.join(FOLDER, "program#{@compiled = @compiled.to_i + 1}")
    File.write("#{file}.c", source)
    output, status = Open3.capture2e(*COMPILER.split, "-I#{ROOT}/include", "#{file}.c", "-o", file, *rest)
    status.success? ? file : raise(output)
  end
end
