# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# Processes that share a listening socket, each with its own reactor, and clients that send them requests. A worker is
# forked from a process without a running reactor. Its exit is awaited, and it is killed after the test if it still
# exists.

module Workers
  # A forked process. It reports through a pipe, line by line; the line "serving" comes first.
  class Worker
    attr_reader :pid

    # @yield [Worker] in the child, within EM.run; the child exits after it
    def initialize(&block)
      @lines, @report = IO.pipe
      @pid = fork { live(block) }
      @report.close
    end

    # In the child: writes a line, which the parent gets from {#next_line}.
    def report(line)
      @report.puts(line)
    end

    def next_line
      @lines.gets(chomp: true)
    end

    def wait_until_serving
      line = next_line
      raise "the worker said #{line.inspect}" unless line == "serving"

      self
    end

    def signal(name)
      Process.kill(name, @pid)
    end

    # Returns when the process has ended but has not been reaped.
    def suspend
      signal(:STOP)
      Process.wait(@pid, Process::WUNTRACED)
    end

    # @return [Process::Status]
    def wait
      status = Process.wait2(@pid).last
      @pid = nil
      status
    end

    def kill
      signal(:KILL)
      wait
    end

    # Works in every state of the process.
    def discard
      kill if @pid
      @lines.close
    end

    private

    def live(block)
      @lines.close
      EM.run { block.call(self) }
      exit!(0)
    rescue Exception => e
      warn "in a worker: #{e.full_message}"
    ensure
      exit!(1)
    end
  end

  def after_teardown
    @workers&.each(&:discard)
    super
  end

  # Forks a worker and returns when it is ready to serve.
  # @yield [Worker] in the child, where the block is to attach the server
  # @return [Worker]
  def worker(&block)
    started = Worker.new do |it|
      block.call(it)
      it.report("serving")
    end
    (@workers ||= []) << started
    started.wait_until_serving
  end

  # Sends a request on a new connection.
  # @return [String] everything that the server sent until it closed the connection
  def ask(port, request = "?")
    socket = TCPSocket.new("127.0.0.1", port)
    socket.write(request)
    socket.read
  ensure
    socket&.close
  end

  # Runs clients in a separate process, in several threads, until the block has returned. So workers that are forked in
  # the meantime inherit no clients.
  # @yield [Array<String>] the answers so far
  # @return [Array(Array<String>, Array<String>)] the answers, and the errors
  def under_load(port, clients: 8)
    noted, note = IO.pipe
    stop, stopper = IO.pipe
    pid = fork { ask_until(stop, port, note, clients) || exit!(0) }
    [note, stop].each(&:close)
    answers = []
    errors = []
    collector = Thread.new { noted.each_line(chomp: true) { |it| it.start_with?("!") ? errors << it : answers << it } }
    yield answers
    stopper.puts # Closing is not enough, because workers have copies.
    collector.join
    [answers, errors]
  ensure
    Process.kill(:KILL, pid) if $!
    Process.wait(pid)
    [noted, stopper].each(&:close)
  end

  private

  def ask_until(stop, port, note, clients)
    over = false
    threads = Array.new(clients) { Thread.new { note.puts(outcome_of { ask(port) }) until over } }
    stop.gets
    over = true
    threads.each(&:join)
    nil
  end

  def outcome_of
    answer = yield
    answer.empty? ? "! an end without an answer" : answer
  rescue SystemCallError, IOError => e
    "! #{e.class}"
  end
end
