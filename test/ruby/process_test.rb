# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# Child processes: popen, system, DeferrableChildProcess, and what becomes of other children of the program.

require "test_helper"

class ProcessTest < ReactorTest
  repeat_under_gc_pressure

  # Collects what arrives, and stops the reactor in unbind.
  class Collector < EM::Connection
    attr_reader :output, :calls, :statuses, :pids

    def initialize(script = {})
      super
      @script = script
      @output = "".b
      @calls = []
      @statuses = [get_status]
      @pids = [get_pid]
    end

    def post_init
      @calls << :post_init
    end

    def connection_completed
      @calls << :connection_completed
    end

    def receive_data(data)
      @output << data
      @script[:receive_data]&.call(self)
    end

    def unbind(reason = nil)
      @calls << reason
      @statuses << get_status
      @pids << get_pid
      @script[:unbind] ? @script[:unbind].call(self) : EM.stop
    end

    def status
      @statuses.last
    end
  end

  # @return [Collector] after the reactor has ended
  def run_process(command, script = {})
    process = nil
    reactor { process = EM.popen(command, Collector, script) { |it| yield it if block_given? } }
    process
  end

  def shell(command)
    ["/bin/sh", "-c", command]
  end

  def assert_no_zombies
    assert_nil Process.wait(-1, Process::WNOHANG)
  rescue Errno::ECHILD
    nil # no children at all
  end

  def test_what_a_program_prints_arrives_and_its_status_is_known_in_unbind_and_after_it
    process = run_process(shell("read line; echo got $line; exit 3")) { |it| it.send_data("this\n") }
    assert_equal "got this\n", process.output
    assert_equal [:post_init, nil], process.calls
    assert_nil process.statuses.first
    assert_equal [3, true, false], [process.status.exitstatus, process.status.exited?, process.status.signaled?]
    assert process.status.frozen?
    assert_equal process.status.pid, process.pids.first
    assert_equal [process.pids.first] * 2 + [process.status], [process.pids.last, process.get_pid, process.get_status]
  end

  def test_a_string_is_split_and_not_interpreted_and_an_array_is_left_alone
    assert_equal "a b $HOME *\n", run_process("echo 'a b' \\$HOME '*'").output
    words = ["echo", "one", "two words"].freeze
    assert_equal "one two words\n", run_process(words).output
    assert_equal 3, words.size
  end

  def test_the_words_may_be_what_converts_to_strings
    path = Object.new
    def path.to_str
      "/usr"
    end
    assert_equal "/usr\n", run_process(["echo", path]).output
  end

  def test_a_word_in_an_encoding_with_zero_bytes_is_refused
    in_reactor { assert_raises(Encoding::CompatibilityError) { EM.popen(["true".encode("UTF-16LE")]) } }
  end

  def test_bad_commands_raise_and_start_nothing
    reactor do
      assert_equal "no popen: Invalid argument", assert_raises(RuntimeError) { EM.popen("") }.message
      assert_equal "no popen: Invalid argument", assert_raises(RuntimeError) { EM.popen([]) }.message
      too_many = assert_raises(RuntimeError) { EM.popen(["true"] * 2048) }
      assert_equal "too many arguments to popen", too_many.message
      assert_match(/Unmatched quote/, assert_raises(ArgumentError) { EM.popen("echo 'a") }.message)
      assert_raises(ArgumentError) { EM.popen(["echo", "a\0b"]) }
      [1, nil, [1], :true].each { |command| assert_raises(TypeError) { EM.popen(command) } }
      assert_raises(ArgumentError) { EM.popen("true", String) }
      assert_raises(TypeError) { EM.invoke_popen("true") }
      assert_equal 0, EM.connection_count
      EM.stop
    end
    assert_no_zombies
  end

  def test_without_a_reactor_nothing_starts
    assert_match(/eventmachine not initialized/, assert_raises(RuntimeError) { EM.popen("true") }.message)
  end

  def test_the_number_of_arguments_that_is_allowed
    assert_equal 2046, run_process(["echo"] + ["a"] * 2046).output.split.size
  end

  def test_a_program_that_cannot_be_executed_exits_with_255
    Dir.mktmpdir do |folder|
      File.write("#{folder}/text", "text", perm: 0o644)
      ["em-no-such-program", "/nowhere/program", folder, "#{folder}/text"].each do |program|
        process = run_process([program, "argument"])
        assert_equal [255, "", [:post_init, nil]], [process.status.exitstatus, process.output, process.calls]
      end
    end
    assert_equal 255, run_process(["echo", "x" * 1_000_000]).status.exitstatus # an argument has at most 128 KiB
  end

  def test_a_signal_that_ends_a_program_is_known
    process = run_process(shell("kill -INT $$"))
    assert_equal [true, Signal.list["INT"], nil],
                 [process.status.signaled?, process.status.termsig, process.status.exitstatus]
  end

  def test_closing_is_the_end_of_input_and_cat_ends_by_itself
    process = run_process("cat", &:close_connection)
    assert_equal 0, process.status.exitstatus
    process = run_process("cat") do |it|
      it.send_data("text")
      it.close_connection_after_writing
      it.send_data("more")
    end
    assert_equal ["text", 0], [process.output, process.status.exitstatus]
  end

  def test_much_goes_through_a_program_and_back
    text = "0123456789abcdef" * 200_000
    process = run_process("cat") do |it|
      it.send_data(text)
      it.close_connection_after_writing
    end
    assert_equal [text.bytesize, true], [process.output.bytesize, process.output == text]
    assert_equal 0, process.status.exitstatus
  end

  def test_the_tail_of_the_output_arrives_before_unbind
    processes = []
    left = 12
    unbind = ->(_) { EM.stop if (left -= 1).zero? }
    reactor { left.times { processes << EM.popen("head -c 70000 /dev/zero", Collector, unbind: unbind) } }
    assert_equal [70_000] * 12, processes.map { |it| it.output.bytesize }
    assert_equal [0] * 12, processes.map { |it| it.status.exitstatus }
  end

  def test_a_program_that_stays_is_terminated_while_the_reactor_goes_on
    beats = 0
    process = nil
    taken = seconds do
      process = run_process("sleep 1000") do |it|
        it.close_connection
        EM.add_periodic_timer(0.01) { beats += 1 }
      end
    end
    assert_equal Signal.list["TERM"], process.status.termsig
    assert_operator taken, :>=, 0.5
    assert_operator beats, :>, 0
  end

  def test_a_program_that_ignores_term_is_killed
    ready = ->(it) { it.close_connection if it.output.include?("ready") }
    process = nil
    taken = seconds do
      process = run_process(shell("trap '' TERM; echo ready; while :; do sleep 0.01; done"), receive_data: ready)
    end
    assert_equal Signal.list["KILL"], process.status.termsig
    assert_operator taken, :>=, 1.5
  end

  def test_a_program_that_closes_its_output_and_lives_on_is_terminated
    process = run_process(shell("exec sleep 1000 >&- <&-"))
    assert_equal Signal.list["TERM"], process.status.termsig
  end

  def test_the_output_of_a_grandchild_is_received_and_closing_does_not_wait_for_it
    process = run_process(shell("(sleep 0.2; echo late) & echo early"))
    assert_equal ["early\nlate\n", 0], [process.output, process.status.exitstatus]
    close = ->(it) { EM.add_timer(0.05) { it.close_connection } }
    process = run_process(shell("sleep 1000 & echo $!"), receive_data: close)
    Process.kill("KILL", process.output.to_i)
    assert_equal 0, process.status.exitstatus
  end

  def test_an_output_that_is_not_read_waits_and_a_pause_stops_it
    process = run_process(shell("exec yes 2>/dev/null")) do |it|
      it.pause
      EM.add_timer(0.05) do
        assert_empty it.output
        it.resume
      end
      as_soon_as(-> { !it.output.empty? }) { it.close_connection }
    end
    refute_nil process.status
  end

  def test_detach_returns_the_socket_and_the_process_goes_on_and_is_reaped
    socket = process = nil
    reactor do
      process = EM.popen("cat", Collector)
      EM.add_timer(0.001) { socket = Socket.for_fd(process.detach) }
    end
    assert_kind_of Integer, process.get_pid
    assert_nil process.get_status
    socket.write("still there")
    assert_equal "still there", socket.readpartial(100)
    socket.close
    wait_until { gone?(process.get_pid) }
  end

  def test_the_reactor_reaps_a_process_that_was_detached
    process = nil
    reactor do
      process = EM.popen("cat", Scripted)
      EM.add_timer(0.001) do
        Socket.for_fd(process.detach).close
        EM.next_tick { as_soon_as(-> { gone?(process.get_pid) }) { EM.stop } }
      end
    end
    assert_nil process.get_status
  end

  # Neither running nor waiting to be reaped.
  def gone?(pid)
    Process.kill(0, pid)
    false
  rescue Errno::ESRCH
    true
  end

  def test_other_children_of_the_program_are_left_to_it
    own = spawn("exit 7")
    assert_equal 0, run_process("true").status.exitstatus
    trapped = 0
    before = trap("CHLD") { trapped += 1 }
    assert_equal 1, run_process(shell("exit 1")).status.exitstatus
    trap("CHLD", before || "DEFAULT")
    _, status = Process.wait2(own)
    assert_equal 7, status.exitstatus
    `exit 5`
    assert_equal 5, $?.exitstatus
    run_process(shell("exit 6")).get_status
    assert_equal 5, $?.exitstatus
  end

  def test_a_status_that_the_program_has_taken_is_no_reason_to_wait_for_ever
    before = trap("CHLD", "IGNORE")
    process = run_process(shell("exit 4"))
    trap("CHLD", before || "DEFAULT")
    assert_includes [nil, 4], process.status&.exitstatus # Linux 6.15 knows it nevertheless
    assert_equal process.pids.first, process.get_pid
  end

  def test_what_is_no_process_has_neither_number_nor_status
    reactor do
      connection = client(server)
      run = -> { [connection.get_pid, connection.get_status] }
      assert_equal [nil, nil], run.call
      EM.popen("true", Collector, unbind: lambda { |_|
        assert_equal [nil, nil], run.call
        EM.stop
      })
    end
    assert_nil EM.get_subprocess_pid(1 << 40)
    assert_nil EM.get_subprocess_status(1 << 40)
    assert_raises(TypeError) { EM.get_subprocess_pid(nil) }
  end

  def test_the_functions_of_the_module_do_the_same
    signature = nil
    in_unbind = nil
    process = run_process(shell("exit 2"), unbind: lambda { |it|
      in_unbind = [EM.get_subprocess_pid(it.signature), EM.get_subprocess_status(it.signature).exitstatus]
      EM.stop
    }) { |it| signature = it.signature }
    assert_equal [process.get_pid, 2], in_unbind
    assert_nil EM.get_subprocess_status(signature)
  end

  def test_the_methods_of_a_connection
    reactor do
      process = EM.popen("cat", Collector)
      assert_equal ["\x01\x00"] * 2, [process.get_peername, process.get_sockname]
      assert_equal [true, false], [process.pause, process.pause]
      assert_equal [true, 0, false], [process.resume, process.get_outbound_data_size, process.error?]
      assert_operator process.get_idle_time, :>=, 0
      assert_equal 1, EM.connection_count
      assert process.get_sock_opt(Socket::SOL_SOCKET, Socket::SO_TYPE)
      process.close_connection
    end
  end

  def test_inactivity_ends_a_process
    process = run_process("cat") { |it| it.comm_inactivity_timeout = 0.05 }
    assert_equal 0, process.status.exitstatus
  end

  def test_receiving_into_one_string
    buffer = +""
    process = run_process("head -c 300000 /dev/zero") { |it| EM.receive_into(it, buffer) }
    assert_equal [300_000, 0], [process.output.bytesize, process.status.exitstatus]
  end

  def test_an_exception_in_unbind_is_raised_and_leaves_nothing
    error = assert_raises(RuntimeError) { run_process("true", unbind: ->(_) { raise "in unbind" }) }
    assert_equal "in unbind", error.message
    assert_no_zombies
  end

  def test_a_handler_that_cannot_be_made_ends_the_process
    handler = Class.new(EM::Connection) { define_method(:initialize) { raise "no object" } }
    reactor do
      assert_equal "no object", assert_raises(RuntimeError) { EM.popen("cat", handler) }.message
      as_soon_as(-> { EM.connection_count.zero? }) { EM.stop }
    end
    assert_no_zombies
  end

  def test_another_thread_may_start_processes
    process = nil
    reactor do
      Thread.new { process = EM.popen(shell("echo text; exit 3"), Collector) }
    end
    assert_equal ["text\n", 3], [process.output, process.status.exitstatus]
  end

  def test_a_process_that_runs_when_the_reactor_ends_is_ended
    process = run_process("sleep 1000") { EM.next_tick { EM.stop } }
    assert_equal [:post_init, nil], process.calls
    assert_nil process.status
    left = EM.instance_variable_get(:@left_processes)
    assert_equal 1, left.count { |thread| thread.alive? || thread.join }
    left.each(&:join)
    assert_raises(Errno::ESRCH) { Process.kill(0, process.get_pid) }
  end

  def test_system_collects_output_and_status
    collected = pid = nil
    reactor do
      pid = EM.system("echo 'a b'  c") do |output, status|
        collected = [output, status]
        EM.stop
      end
    end
    assert_equal ["a b c\n", pid, 0], [collected[0], collected[1].pid, collected[1].exitstatus]
    assert_equal Encoding::BINARY, collected[0].encoding
  end

  def test_arguments_of_system_are_not_split_and_its_last_procs_are_callbacks
    outputs = []
    done = lambda do |output, _|
      outputs << output
      EM.stop if outputs.size == 3
    end
    start = lambda do |connection|
      connection.send_data("sent")
      connection.close_connection_after_writing
    end
    reactor do
      EM.system("echo", "a  b", &done)
      EM.system("cat", start, done)
      EM.system(%w[printf %s], "x", done)
      EM.system("true")
    end
    assert_equal ["a  b\n", "sent", "x"], outputs.sort
  end

  def test_a_deferrable_process_succeeds_with_its_output
    output = nil
    reactor do
      process = EM::DeferrableChildProcess.open("sh -c 'echo text; exit 1'")
      process.callback do |text|
        output = text
        EM.stop
      end
      assert_instance_of EM::DeferrableChildProcess, process
    end
    assert_equal "text\n", output
  end

  def test_a_process_has_no_descriptors_of_the_program
    pipe = IO.pipe.each { |io| io.close_on_exec = false }
    output = run_process(shell("for n in /proc/self/fd/*; do test -e $n && echo ${n##*/}; done")).output
    assert_equal %w[0 1 2], output.split
    pipe.each(&:close)
  end

  def test_many_processes_at_once_leave_nothing
    left = 200
    statuses = []
    unbind = lambda do |it|
      statuses << it.get_status.exitstatus
      EM.stop if (left -= 1).zero?
    end
    reactor { 200.times { |i| EM.popen(shell("exit #{i % 3}"), Collector, unbind: unbind) } }
    assert_equal({ 0 => 67, 1 => 67, 2 => 66 }, statuses.tally)
    assert_no_zombies
  end
end
