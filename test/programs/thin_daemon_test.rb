# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# thin as a daemon on our engine: started, restarted and stopped by its own commands, alone and as a cluster.

require "programs_helper"
require "net/http"

class ThinDaemonTest < ProgramTest
  def teardown
    pids.each { |pid| Process.kill(:KILL, pid) }
    super
  end

  def test_a_daemon_serves_until_it_is_stopped
    started
    assert_equal pids, [get("/pid").to_i]
    assert_on_our_engine(pids.first)
    thin("stop")
    assert_empty pids
    assert_match(/Exiting!/, File.read(Dir[in_folder("*.log")].first))
  end

  def test_a_daemon_that_is_restarted_finishes_current_requests
    started
    first = pids.first
    answer = Thread.new { get("/later?1.5") }
    wait_until { connections(first) == 1 || !answer.alive? }
    thin("restart")
    assert_equal "begun done", answer.value
    wait_until { served_by_another_than?(first) }
    assert_on_our_engine(pids.first)
  end

  def test_a_cluster_on_unix_domain_sockets
    thin("--servers", "2", "--socket", in_folder("thin.sock"), "start")
    wait_until { Dir[in_folder("thin.*.sock")].size == 2 && pids.size == 2 }
    pids.each { |pid| assert_on_our_engine(pid) }
    thin("--servers", "2", "--socket", in_folder("thin.sock"), "stop")
    assert_empty [*pids, *Dir[in_folder("thin.*.sock")]]
  end

  private

  def started
    @port = free_port
    thin("start")
    wait_until { served_by_another_than?(nil) }
  end

  # Runs one of thin's commands to its end. The load path is set by the environment, since processes that thin starts do
  # not inherit `-I`.
  def thin(*arguments)
    output = Tempfile.new("thin")
    pid = spawn({ "RUBYLIB" => LIBRARY }, *command(*arguments), chdir: folder, in: File::NULL, %i[out err] => output)
    assert_predicate await_exit(pid, 40), :success?, File.read(output.path)
  ensure
    output.close!
  end

  def command(*arguments)
    address = @port ? ["--address", "127.0.0.1", "--port", @port.to_s] : []
    ["/usr/bin/thin", "--rackup", File.join(APPS, "thin.ru"), "--daemonize", "--log", in_folder("thin.log"),
     "--pid", in_folder("thin.pid"), *address, *arguments]
  end

  def get(path)
    Net::HTTP.get("127.0.0.1", path, @port)
  end

  def served_by_another_than?(pid)
    pid.to_s != get("/pid")
  rescue SystemCallError, IOError
    false
  end

  def pids
    Dir[in_folder("*.pid")].map { |file| File.read(file).to_i }.reject(&:zero?)
  end

  # @return [Integer] the number of the process's connections, not counting listening sockets
  def connections(pid)
    inodes = Dir["/proc/#{pid}/fd/*"].filter_map { |fd| File.readlink(fd)[/socket:\[(\d+)\]/, 1] }
    File.foreach("/proc/net/tcp").count { |line| inodes.include?(line.split[9]) && line.split[3] == "01" }
  end

  def folder
    File.dirname(socket_path)
  end

  def in_folder(name)
    File.join(folder, name)
  end
end
