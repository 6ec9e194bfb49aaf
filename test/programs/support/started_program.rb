# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "etc"
require "fileutils"
require "socket"
require "tmpdir"

# A third-party program that is started for one test, in a separate process group and directory.
class StartedProgram
  # Seconds in which it must end after the signal.
  PATIENCE = 10

  # @return [Integer, nil]
  attr_reader :port
  # @return [String]
  attr_reader :directory
  # @return [Integer] the id of the process, which is also that of its group
  attr_reader :pid

  # @param ended_by [Symbol] the signal that ends it; `:KILL` for programs that end slowly
  def initialize(port, user = nil, ended_by = :TERM)
    @port = port
    @ended_by = ended_by
    @user = user if Process.uid.zero?
    @directory = Dir.mktmpdir("em-program")
    FileUtils.chown(@user, nil, @directory) if @user
  end

  # @return [self] once it accepts connections
  # @raise [RuntimeError] with its output, if it ends before that
  def start(environment, command)
    command = ["setpriv", "--reuid", @user, "--regid", Etc.getpwnam(@user).gid.to_s, "--init-groups", *command] if @user
    @pid = spawn(environment, *command, chdir: @directory, pgroup: true, in: File::NULL, %i[out err] => log_file)
    sleep 0.005 until @port.nil? || accepting? || ended?
    raise "#{command.first} ended:\n#{log}" if @port && ended?

    self
  end

  # @return [String] its output so far
  def log
    File.binread(log_file)
  end

  def ended?
    @status ||= Process.wait2(@pid, Process::WNOHANG)&.last
  end

  # Waits for its end. @return [Process::Status]
  def wait
    @status ||= Process.wait2(@pid).last
  end

  # Ends it and all processes of its group, and removes its directory.
  def finish
    return unless @pid

    signal(@ended_by)
    deadline = now + PATIENCE
    sleep 0.005 until ended? || now > deadline
    signal(:KILL)
    wait
  ensure
    FileUtils.remove_entry(@directory, true)
  end

  # @param name [Symbol] the signal, sent to its whole group
  def signal(name)
    Process.kill(name, -@pid)
  rescue Errno::ESRCH
    nil
  end

  private

  def log_file
    File.join(@directory, "log")
  end

  def accepting?
    TCPSocket.new("127.0.0.1", @port).close
    true
  rescue SystemCallError
    false
  end

  def now
    Process.clock_gettime(Process::CLOCK_MONOTONIC)
  end
end
