# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "json"
require "open3"
require "socket"
require "timeout"
require_relative "builder"

module Comparison
  # Something could not be measured; the message says why.
  class Failure < StandardError; end

  # An echo server that runs on its own core, for as long as the block of {Server.run}.
  class Server
    START_SECONDS = 10
    STOP_SECONDS = 5

    attr_reader :pid

    # @yieldparam server [Server]
    # @return what the block returns
    # @raise [Failure]
    def self.run(program, machine)
      server = new(program, machine)
      yield server
    ensure
      server&.stop
    end

    def initialize(program, machine)
      @machine = machine
      @port = free_port
      @pid = Process.spawn(*machine.pin(:server), *program.command("echo"), @port.to_s,
                           in: File::NULL, out: File::NULL, err: File::NULL)
      await_port
    rescue Failure
      stop
      raise
    end

    # Runs the load generator against it.
    # @param arguments [Hash] options of the load generator, for instance connections: 100
    # @return [Hash] what it measured
    def load(**arguments)
      options = arguments.merge(pid: @pid).flat_map { |name, value| ["--#{name}", value.to_s] }
      output, error, status = Open3.capture3(*@machine.pin(:load), Builder::LOAD, *options, @port.to_s)
      raise Failure, error.strip unless status.success?

      JSON.parse(output)
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
    end

    private

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
        raise Failure, "ended at once" if ended?
        raise Failure, "does not listen" if now > deadline

        sleep 0.01
        retry
      end
    end

    def ended?
      Process.wait(@pid, Process::WNOHANG) && @pid = nil
      @pid.nil?
    end

    def now
      Process.clock_gettime(Process::CLOCK_MONOTONIC)
    end
  end
end
