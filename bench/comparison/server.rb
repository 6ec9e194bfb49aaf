# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "io/wait"
require "json"
require "open3"
require "socket"
require "tempfile"
require "timeout"
require_relative "program"

module Comparison
  # Something could not be measured. The message gives the reason.
  class Failure < StandardError; end

  # A server that runs on its own core until the block of {Server.run} returns.
  class Server
    START_SECONDS = 10
    STOP_SECONDS = 5

    attr_reader :pid, :port

    # @param kind [String] one of SERVERS
    # @param certificate [Certificate, nil] of a server with TLS
    # @yieldparam server [Server]
    # @return what the block returns
    # @raise [Failure]
    def self.run(program, machine, kind, certificate: nil)
      server = new(program, machine, kind, certificate)
      yield server
    ensure
      server&.stop
    end

    def initialize(program, machine, kind, certificate)
      @machine = machine
      @port = free_port
      @errors = Tempfile.new("bench")
      @pid = start([*machine.pin(:server), *program.command(kind), @port.to_s, *certificate&.files],
                   program.environment)
      kind == DATAGRAMS ? await_answer : await_port
    rescue Failure
      stop
      raise
    end

    # Runs the load generator against it.
    # @param arguments [Hash] options of the load generator, for instance connections: 100; true for one without a value
    # @return [Hash] what it measured
    def load(**arguments)
      options = arguments.merge(pid: @pid).flat_map { |name, value| ["--#{name}", *(value.to_s unless value == true)] }
      drive(LOAD, *options, @port.to_s)
    end

    # Runs a program that talks to it, on the core of the load generator.
    # @param command [Array<String>]
    # @return [Hash] the JSON that it prints
    def drive(*command)
      output, error, status = Open3.capture3(*@machine.pin(:load), *command)
      raise Failure, error.empty? ? status.to_s : error.strip unless status.success?

      JSON.parse(output)
    end

    # @return [Integer] processor time that it has used so far, from its process clock, clock_getcpuclockid(3)
    def cpu_ns
      Process.clock_gettime((~@pid << 3) | 2, :nanosecond)
    end

    def stop
      return unless @pid

      Process.kill(:TERM, @pid)
      Timeout.timeout(STOP_SECONDS) { Process.wait(@pid) }
    rescue Timeout::Error
      Process.kill(:KILL, @pid)
      Process.wait(@pid)
    rescue Errno::ESRCH, Errno::ECHILD
      nil
    ensure
      @pid = nil
      @errors.close!
    end

    private

    def start(command, environment)
      Process.spawn(environment, *command, in: File::NULL, out: File::NULL, err: @errors.path)
    rescue SystemCallError => e
      raise Failure, e.message
    end

    def free_port
      listener = TCPServer.new("127.0.0.1", 0)
      listener.addr[1]
    ensure
      listener&.close
    end

    def await_port
      deadline = now + START_SECONDS
      begin
        TCPSocket.new("127.0.0.1", @port).close
      rescue SystemCallError
        raise Failure, last_words if ended?
        raise Failure, "does not listen" if now > deadline

        sleep 0.01
        retry
      end
    end

    # Of a server for datagrams, to which nobody can connect.
    def await_answer
      deadline = now + START_SECONDS
      socket = UDPSocket.new
      socket.connect("127.0.0.1", @port)
      until answers?(socket)
        raise Failure, last_words if ended?
        raise Failure, "does not answer" if now > deadline
      end
    ensure
      socket&.close
    end

    def answers?(socket)
      socket.send("ready?", 0)
      socket.wait_readable(0.02) && socket.recv(16)
    rescue SystemCallError
      sleep 0.01
      false
    end

    def ended?
      Process.wait(@pid, Process::WNOHANG) && @pid = nil
      @pid.nil?
    end

    def last_words
      lines = File.readlines(@errors.path, chomp: true)
      lines.find { |line| line.match?(/error|cannot|failed/i) } || lines.first || "ended at once"
    end

    def now
      Process.clock_gettime(Process::CLOCK_MONOTONIC)
    end
  end
end
