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
