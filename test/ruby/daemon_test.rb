# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# A program that becomes a daemon while its reactor runs: the daemon continues with everything. Each test is a program
# of three processes: a client, the server that it talks to at first, and the daemon that the server becomes.

require "test_helper"

class DaemonTest < ReactorTest
  self.time_limit = 30

  # The client's side. The program prints what the others `say`; `serve` echoes and obeys commands.
  PRELUDE = <<~RUBY
    REPORT, WRITER = IO.pipe
    PORT, PORT_WRITER = IO.pipe

    def say(text) = WRITER.syswrite("\#{text}\\n")

    # Becomes a daemon at a client's command.
    module Obey
      def receive_data(data)
        case data
        when "background" then go_into_background
        when "stop" then EM.stop
        end
        send_data(data)
      end

      def go_into_background = Process.daemon(true, true)
    end

    def serve
      port = Socket.unpack_sockaddr_in(EM.get_sockname(EM.start_server("127.0.0.1", 0, Obey))).first
      PORT_WRITER.puts(port)
    end

    # Runs the block in the process that is to become a daemon.
    def start(&block)
      child = fork do
        [REPORT, PORT].each(&:close)
        first = Process.pid
        EM.add_shutdown_hook { say("hook in \#{Process.pid == first ? :parent : :daemon}") }
        EM.run { serve; block&.call }
        say("run returned")
      rescue SystemExit
        raise
      rescue Exception => e
        say("\#{e.class}: \#{e.message[/\\A.*?(?= \\(|:|\\z)/]}")
      end
      [WRITER, PORT_WRITER].each(&:close)
      @port = PORT.gets.to_i
      child
    end

    def connect = TCPSocket.new("127.0.0.1", @port)

    def ask(socket, text)
      socket.write(text)
      socket.wait_readable(10) ? socket.readpartial(100) : "nothing"
    end

    # Prints what the others have said once all of them have ended.
    def finish = puts(REPORT.read)
  RUBY

  def assert_program_prints(*lines, source)
    assert_prints(*lines, "#{PRELUDE}\n#{source}", limit: 25)
  end

  def test_a_daemon_continues_with_servers_connections_and_timers_and_ends_its_run_itself
    assert_program_prints "background", "old", "new", "true", "ticks", "hook in daemon", "run returned", <<~RUBY
      child = start do
        first = Process.pid
        ticks = 0
        EM.add_periodic_timer(0.01) do
          next if Process.pid == first || (ticks += 1) != 3

          say("\#{EM.reactor_running? && EM.reactor_thread? && EM.reactor_thread == Thread.current}")
          say("ticks")
        end
        EM.add_periodic_timer(0.01) { EM.stop if ticks > 5 && $asked_to_stop }
      end
      socket = connect
      puts ask(socket, "background")
      Process.wait(child)
      puts ask(socket, "old"), ask(connect, "new")
      sleep 0.01 until REPORT.wait_readable(0)
      2.times { puts REPORT.gets }
      ask(socket, "stop")
      finish
    RUBY
  end

  def test_the_callback_that_has_become_a_daemon_may_do_anything_at_once
    assert_program_prints "background", "true", "connected", "timer", "run returned", <<~RUBY
      Obey.module_eval do
        def go_into_background
          Process.daemon(true, true)
          say(EM.reactor_running?)
          echo = EM.start_server("127.0.0.1", 0)
          told = Class.new(EM::Connection) { def connection_completed = say("connected") || EM.add_timer(0.01) { say("timer") || EM.stop } }
          EM.connect("127.0.0.1", Socket.unpack_sockaddr_in(EM.get_sockname(echo)).first, told)
          EM.instance_variable_get(:@tails).clear
        end
      end
      def say(text) = WRITER.syswrite("\#{text}\\n") && nil
      start
      puts ask(connect, "background")
      finish
    RUBY
  end

  def test_running_a_reactor_in_the_daemon_uses_the_one_that_runs
    assert_program_prints "background", "same", "stopped", "hook in daemon", "run returned", <<~RUBY
      Obey.module_eval do
        def go_into_background
          Process.daemon(true, true)
          thread = EM.reactor_thread
          EM.run { say(EM.reactor_thread == thread ? "same" : "other") }
          EM.next_tick { say("stopped"); EM.stop }
        end
      end
      start
      puts ask(connect, "background")
      finish
    RUBY
  end

  BY_HAND = <<~RUBY
    Obey.module_eval do
      def go_into_background
        exit if fork
        Process.setsid
        exit if fork
      end

      def unbind = say("unbind in \#{Process.pid == FIRST.pid ? :parent : :daemon}")
    end
    FIRST = Struct.new(:pid).new
  RUBY

  def test_a_double_fork_by_hand_leaves_the_connections_to_the_daemon
    assert_program_prints "background", "old", "new", "hook in parent", "unbind in parent", "hook in daemon",
                          "unbind in daemon", "run returned", <<~RUBY
      #{BY_HAND}
      child = start { FIRST.pid = Process.pid }
      socket = connect
      puts ask(socket, "background")
      Process.wait(child) # its run has ended, with hooks and unbinds
      puts ask(socket, "old")
      other = connect
      puts ask(other, "new")
      other.close
      # The end of the new connection has been handled once this one is reported.
      first = [REPORT.gets, REPORT.gets]
      REPORT.gets
      ask(socket, "stop")
      puts first, REPORT.read
    RUBY
  end

  def test_an_error_in_the_daemon_ends_its_run
    assert_program_prints "background", "hook in daemon", "RuntimeError", "no more connections", <<~RUBY
      Obey.module_eval do
        def go_into_background
          Process.daemon(true, true)
          EM.next_tick { raise "broken" }
        end
      end
      start
      socket = connect
      puts ask(socket, "background")
      report = REPORT.read
      puts report.lines.map { |line| line[/\\A(?:hook in \\w+|RuntimeError)/] }
      puts socket.read.empty? ? "no more connections" : "data"
    RUBY
  end

  def test_deferred_work_continues_in_the_daemon
    assert_program_prints "background", "0", "1", "2", "3", "hook in daemon", "run returned", <<~RUBY
      start do
        first = Process.pid
        EM.threadpool_size = 2
        results = []
        4.times do |i|
          # The first two are running when the process forks, the others wait.
          EM.defer(-> { Process.pid == first ? sleep : i }, lambda { |result|
            results << result
            next if results.size < 4

            results.sort.each { |it| say(it) }
            EM.stop
          })
        end
      end
      socket = connect
      puts ask(socket, "background")
      finish
    RUBY
  end

  # Either may come first: the child that returns or the parent that ends.
  def test_a_single_fork_is_enough_if_the_parent_ends
    assert_program_prints "background", "still there", "hook in daemon", "run returned", <<~RUBY
      Obey.module_eval do
        def go_into_background
          return unless fork

          sleep 0.1
          exit!
        end
      end
      child = start
      socket = connect
      puts ask(socket, "background")
      Process.wait(child)
      puts ask(socket, "still there")
      ask(socket, "stop")
      puts REPORT.read
    RUBY
  end

  def test_a_child_that_returns_without_becoming_a_daemon_gets_an_error_that_says_what_to_do
    assert_program_prints "background", "still there", "RuntimeError: a forked child has returned", "run returned", <<~RUBY
      Obey.module_eval { def go_into_background = fork }
      start { EM.instance_variable_get(:@tails).clear }
      socket = connect
      puts ask(socket, "background")
      message = REPORT.gets
      puts ask(socket, "still there")
      ask(socket, "stop")
      puts message[/.*has returned/], REPORT.read
    RUBY
  end

  def test_a_block_that_becomes_a_daemon_has_a_reactor_of_its_own
    assert_program_prints "background", "other server", "still there", "hook in parent", "run returned", <<~RUBY
      Obey.module_eval do
        def go_into_background
          fork do
            Process.daemon(true, true)
            say("reactor inherited") if EM.reactor_running?
            EM.run { EM.instance_variable_get(:@tails).clear; say("other server"); EM.stop }
            exit!(0)
          end
        end
      end
      start
      socket = connect
      puts ask(socket, "background")
      lines = []
      lines << REPORT.gets until lines.last&.start_with?("other")
      puts lines.last, ask(socket, "still there")
      ask(socket, "stop")
      finish
    RUBY
  end

  def test_peers_of_a_server_that_stops_see_the_end_although_a_forked_child_holds_copies
    assert_program_prints "background", "end", "hook in parent", "run returned", "child ends", <<~RUBY
      Obey.module_eval do
        def go_into_background
          gate, opened = IO.pipe
          GATE << opened
          fork do
            opened.close
            gate.read
            say("child ends")
            exit!(0)
          end
          gate.close
        end
      end
      GATE = []
      start
      socket = connect
      puts ask(socket, "background")
      ask(socket, "stop")
      puts socket.read.empty? ? "end" : "data"
      finish
    RUBY
  end
end
