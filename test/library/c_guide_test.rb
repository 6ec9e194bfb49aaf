# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# The programs of docs/c-guide.md do what the text says. Each is taken from the page, compiled with the sanitizers and
# with warnings as errors, and runs as a reader would run it, on a free port.

require_relative "library_helper"

class CGuideTest < LibraryTest
  PAGE = File.read(File.join(ROOT, "docs/c-guide.md"), encoding: Encoding::UTF_8)
  PROGRAMS = PAGE.scan(/^## (.*?)$(?:(?!^## ).)*?^```c\n(.*?)^```/m).to_h.freeze

  # Makes a program of the guide.
  # @param changes [Hash] what stands for what, such as a free port for 8081
  def self.executable(title, **changes)
    name = PROGRAMS.keys.grep(title).first or raise "no program in a section #{title.inspect}"
    Compiling.compile(Compiling.replace(PROGRAMS.fetch(name), changes))
  end

  def setup
    @port = free_port
  end

  # Starts a program that listens on @port.
  def serve(title, environment: {}, **changes)
    @program = start(self.class.executable(title, "8081": @port, **changes), environment: environment)
  end

  # A connection to the program. It says nothing when it is ready, so this tries again as long as the program runs.
  def client
    visit(@port)
  rescue Errno::ECONNREFUSED
    flunk @program.read if @program.process.join(0.01)
    retry
  end

  def test_every_program_has_its_test
    assert_equal PAGE.scan(/^```c$/).size, PROGRAMS.size
    assert_equal PROGRAMS.size, self.class.runnable_methods.grep(/\Atest_step/).size
  end

  def test_every_program_is_complete_and_short
    PROGRAMS.each_value do |program|
      assert_includes program, "#include <eventmachine.h>"
      assert_includes program, "int main(void)"
      assert_operator program.lines.size, :<=, 100
    end
  end

  def test_step_echo
    serve(/echo server/)
    sockets = Array.new(2) { client }
    sockets.each_with_index do |socket, i|
      socket.write("hello #{i}")
      expect("hello #{i}", socket)
    end
    output, status = run_to_end(self.class.executable(/echo server/, "8081": @port))
    assert_equal ["eventmachine: address already in use (EM_ADDRESS_IN_USE)\n", 1], [output, status.exitstatus]
  end

  def test_step_connecting_and_disconnecting
    serve(/Connecting/)
    socket = client
    name = "127.0.0.1:#{socket.local_address.ip_port}"
    assert_equal "#{name}: connected\n", @program.gets
    socket.close
    assert_equal "#{name}: left\n", @program.gets
    other = client
    name = "127.0.0.1:#{other.local_address.ip_port}"
    assert_equal "#{name}: connected\n", @program.gets
    other.setsockopt(Socket::Option.linger(true, 0))
    other.close
    assert_equal "#{name}: connection reset by peer\n", @program.gets
  end

  def test_step_state_of_each_client
    serve(/state of each/)
    first, second = Array.new(2) { client }
    first.write("one\ntw")
    assert_equal "1: one\n", expect("\n", first)
    second.write("eins\n")
    assert_equal "1: eins\n", expect("\n", second)
    first.write("o\nthree\n")
    assert_equal "2: two\n3: three\n", expect("three\n", first)
    second.write("x" * 1001)
    assert_equal "That line is too long.\n", read_to_end(second)
  end

  def test_step_client_gets_its_answer
    listener = listen
    program = start_client(listener)
    peer = accept(listener)
    assert_equal "good morning\n", read_to_end(peer)
    peer.write("and to you\n")
    peer.close
    assert_equal ["and to you\n", 0], [program.read, program.status.exitstatus]
  end

  # The other outcomes of the same program.
  def test_client_waits_for_so_long_only
    listener = listen
    program = start_client(listener, "10 * EM_SECONDS": "10 * EM_MILLISECONDS")
    accept(listener)
    assert_equal ["eventmachine: timed out because of inactivity (EM_INACTIVITY_TIMEOUT)\n", 1],
                 [program.read, program.status.exitstatus]
  end

  def test_client_is_refused
    output, status = run_to_end(self.class.executable(/A client/, "8081": closed_port))
    assert_equal ["eventmachine: connection refused (EM_CONNECTION_REFUSED)\n", 1], [output, status.exitstatus]
  end

  def test_step_timers
    serve(/Timers/, EM_SECONDS: "EM_MILLISECONDS")
    assert_equal "Are you there?\nAre you there?\nGood-bye.\n", read_to_end(client)
    # Whoever replies stays, unless the machine is so slow that a reply comes late; not so in every attempt.
    assert(Array.new(20).any? { replies_keep?(client) })
  end

  def test_step_back_pressure
    serve(/Back-pressure/, "60 * EM_SECONDS": "3600 * EM_SECONDS")
    everything = (1..1_000_000).map { |i| "#{i}\n" }.join
    slow, fast = Array.new(2) { client }
    assert everything == read_to_end(fast)
    assert everything == read_to_end(slow)
  end

  def test_a_client_that_never_reads_is_ended
    serve(/Back-pressure/, EM_SECONDS: "EM_MILLISECONDS")
    socket = client
    assert_raises(Errno::ECONNRESET, Errno::EPIPE) { Timeout.timeout(PATIENCE) { loop { socket.write("x") } } }
  end

  def test_step_proxy
    listener = listen
    serve(/proxy/, "8080": listener.local_address.ip_port)
    socket = client
    peer = accept(listener)
    socket.write("request")
    socket.close_write
    assert_equal "request", read_to_end(peer)
    sent = write_until_stuck(peer)
    assert_operator sent, :<, 64 << 20
    peer.close
    assert_equal sent, read_to_end(socket).bytesize
  end

  def test_the_proxy_ends_the_other_side_with_one
    listener = listen
    serve(/proxy/, "8080": listener.local_address.ip_port)
    socket = client
    accept(listener).close
    assert_equal "", read_to_end(socket)
    listener.close
    assert_equal "", read_to_end(client)
  end

  def test_step_other_threads
    serve(/Other threads/)
    sockets = Array.new(3) { client }
    # A line reaches whoever is connected by then.
    sockets.each { |socket| @program.input.write("hello\n") until socket.wait_readable(0.01) }
    sockets.pop.close
    @program.input.write("the end\n")
    sockets.each { |socket| expect("hello\nthe end\n", socket) }
    @program.input.close
    sockets.each { |socket| assert_equal "", read_to_end(socket) }
    assert_equal ["", 0], [@program.read, @program.status.exitstatus]
  end

  def test_step_child_processes
    output, status = Open3.capture2e(self.class.executable(/Child processes/))
    assert_equal ["gamma\nbeta\nalpha\nsort has exited with 0\n", true], [output, status.success?]
  end

  def test_step_several_loops
    serve(/Several loops/)
    # The system chooses which one.
    reached = Array.new(16) do
      socket = client
      socket.write("hello")
      expect("hello", socket)[/\Aloop ([0-3]): hello\z/, 1]
    end
    refute_includes reached, nil
    @program.input.close
    assert_equal ["", 0], [@program.read, @program.status.exitstatus]
  end

  def test_step_inside_another_loop
    serve(/Inside/, environment: { "EM_BACKEND" => nil })
    socket = client
    socket.write("hello")
    expect("hello", socket)
    @program.input.write("how many?\n")
    assert_equal "1 connected\n", @program.gets
    @program.input.close
    assert_equal "", read_to_end(socket)
    assert_equal ["", 0], [@program.read, @program.status.exitstatus]
  end

  def test_inside_another_loop_the_poll_backend_is_refused
    serve(/Inside/, environment: { "EM_BACKEND" => "poll" })
    assert_equal ["eventmachine: not supported on this system (EM_UNSUPPORTED)\n", 1],
                 [@program.read, @program.status.exitstatus]
  end

  private

  def start_client(listener, **changes)
    start(self.class.executable(/A client/, "8081": listener.local_address.ip_port, **changes))
  end

  # Replies to more reminders than a silent client gets.
  def replies_keep?(socket)
    4.times do
      expect("Are you there?\n", socket).end_with?("Good-bye.\n") and return false
      socket.write("yes\n")
      expect("yes\n", socket)
    end
  rescue Minitest::Assertion, SystemCallError
    false
  end

  # Until nothing is taken for a second. A proxy that takes all has got too much long before.
  def write_until_stuck(socket)
    sent = 0
    sent += socket.write_nonblock("x" * 65_536) while sent < 64 << 20 && socket.wait_writable(1)
    sent
  end

  def listen
    TCPServer.new("127.0.0.1", 0).tap { |listener| (@sockets ||= []) << listener }
  end

  def accept(listener)
    Timeout.timeout(PATIENCE) { listener.accept }.tap { |socket| @sockets << socket }
  end

  # Below those that the system chooses for clients: a client that tries again and again could be given that very port,
  # and would connect to itself.
  def free_port
    port = rand(10_000...32_768)
    TCPServer.open("127.0.0.1", port) { port }
  rescue Errno::EADDRINUSE
    retry
  end
end
