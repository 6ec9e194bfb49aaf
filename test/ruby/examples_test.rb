# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# The examples do what they say. Each is started as a reader would start it.

require "test_helper"
require "open3"

class ExamplesTest < ReactorTest
  self.time_limit = 30

  EXAMPLES = File.expand_path("../../examples/ruby", __dir__)

  # Examples that serve, and on which port.
  SERVERS = { "echo_server.rb" => 8081 }.freeze

  def test_there_are_examples
    assert_includes Dir.children(EXAMPLES), "echo_server.rb"
  end

  def test_they_are_short
    Dir[File.join(EXAMPLES, "*.rb")].each { |file| assert_operator File.readlines(file).size, :<, 80, file }
  end

  def test_the_echo_server_returns_what_it_was_sent_and_quits
    with_example("echo_server.rb") do |_, socket|
      socket.write("hello\n")
      assert_match(/hello/, socket.readpartial(1000))
      socket.write("quit\n")
      # The reply to this may or may not be sent before the server closes the connection.
      assert_includes ["", ">>>you sent: quit\n"], read_to_the_end(socket)
    end
  end

  def test_the_echo_server_serves_several_clients_and_leaves_on_interrupt
    with_example("echo_server.rb") do |pid, socket|
      other = ours(TCPSocket.new("127.0.0.1", 8081))
      [socket, other].each_with_index do |client, i|
        client.write("client #{i}\n")
        assert_includes client.readpartial(1000), "client #{i}"
      end
      Process.kill(:INT, pid)
      assert_equal "", read_to_the_end(other)
    end
  end

  def test_the_echo_client_talks_to_the_echo_server
    with_example("echo_server.rb") do
      output, status = Open3.capture2e("timeout", "15", *command("echo_client.rb"), stdin_data: "")
      assert_predicate status, :success?, output
      assert_match(/hello/, output)
    end
  end

  (Dir.glob("*.rb", base: EXAMPLES).sort - SERVERS.keys - ["echo_client.rb"]).each do |name|
    define_method("test_#{File.basename(name, '.rb')}_runs_to_its_end") do
      skip "this EventMachine has no TLS" if name.include?("tls") && !EM.ssl?
      output, status = Open3.capture2e("timeout", "15", *command(name), stdin_data: "")
      assert_predicate status, :success?, output
      refute_empty output
    end
  end

  private

  def command(name)
    [RbConfig.ruby, "-w", "-I", Children::LIBRARY, File.join(EXAMPLES, name)]
  end

  # Starts an example and gives its process and a socket connected to it to the block.
  def with_example(name)
    port = SERVERS.fetch(name)
    skip "port #{port} is in use" if open?(port)
    pid = spawn(*command(name), out: File::NULL, err: File::NULL)
    Thread.pass until open?(port) || Process.wait(pid, Process::WNOHANG)
    yield pid, ours(TCPSocket.new("127.0.0.1", port))
  ensure
    end_process(pid) if pid
  end

  def open?(port)
    TCPSocket.new("127.0.0.1", port).close
    true
  rescue Errno::ECONNREFUSED
    false
  end

  def end_process(pid)
    Process.kill(:KILL, pid)
    Process.wait(pid)
  rescue Errno::ESRCH, Errno::ECHILD
    nil
  end

  def read_to_the_end(socket)
    data = +""
    data << socket.readpartial(1000) while true
  rescue EOFError, Errno::ECONNRESET
    data
  end
end
