# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# A server that runs out of descriptors while clients keep connecting: it neither spins nor ends, serves its clients,
# and accepts again once descriptors are free. The server runs in a child process with a low limit.

require "test_helper"
require "etc"

class ExhaustionTest < ReactorTest
  self.time_limit = 30

  LIMIT = 64

  def setup
    reader, writer = IO.pipe
    @child = fork { serve(writer) }
    writer.close
    @port = reader.gets.to_i
    reader.close
    @clients = []
  end

  def teardown
    Process.kill(:KILL, @child)
    Process.wait(@child)
    @clients.each(&:close)
  end

  def test_the_server_does_not_spin_and_serves_its_clients
    first = connect
    assert_equal "first", echo(first, "first")
    100.times { connect }
    skip "needs /proc" unless File.exist?("/proc/self/stat")
    at_best(0.15, attempts: 10) { processor_time_of_child { sleep 0.5 } }
    assert_equal "still", echo(first, "still")
  end

  def test_service_resumes_when_descriptors_are_free_again
    100.times { connect }
    sleep 0.1
    @clients.shift(90).each(&:close)
    late = connect
    assert_equal "late", echo(late, "late")
    assert_equal "again", echo(connect, "again")
  end

  def test_every_client_that_had_to_wait_is_served_in_the_end
    100.times { connect }
    sleep 0.05
    served = 0
    until @clients.empty?
      socket = @clients.shift
      served += 1 if served_or_turned_away?(socket)
      socket.close
    end
    # A server may turn away clients that it cannot serve, but must not leave them waiting.
    assert_equal 100, served
  end

  private

  # In the child: an echo server that has few descriptors, and reports its port.
  def serve(writer)
    $stderr.reopen(File::NULL)
    Process.setrlimit(:NOFILE, LIMIT, LIMIT)
    EM.run do
      writer.puts(port_of(EM.start_server("127.0.0.1", 0, Echo)))
      writer.close
    end
  ensure
    exit!(1)
  end

  def connect
    TCPSocket.new("127.0.0.1", @port).tap { |socket| @clients << socket }
  end

  def echo(socket, text)
    socket.write(text)
    socket.wait_readable(5) ? socket.readpartial(100) : flunk("no answer to #{text}")
  end

  def served_or_turned_away?(socket)
    echo(socket, "x") == "x"
  rescue EOFError, Errno::ECONNRESET, Errno::EPIPE
    true
  end

  # @return [Float] the seconds of processor time that the child uses while the block runs
  def processor_time_of_child
    before = used_by_child
    yield
    used_by_child - before
  end

  def used_by_child
    fields = File.read("/proc/#{@child}/stat")[/\) (.*)/, 1].split
    (fields[11].to_i + fields[12].to_i) / Etc.sysconf(Etc::SC_CLK_TCK).to_f
  end
end
