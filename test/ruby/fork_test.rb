# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# Forking with a reactor: the child starts anew, the parent is not affected. Each test is a separate program, whose
# children end with it.

require "test_helper"

class ForkTest < ReactorTest
  self.time_limit = 30

  # Shared by the programs below: an echo server, and a peer that is connected to it.
  PRELUDE = <<~RUBY
    require "timeout"
    module Echo
      def receive_data(data) = send_data(data)
    end

    def echo_server(&block)
      Socket.unpack_sockaddr_in(EM.get_sockname(EM.start_server("127.0.0.1", 0, Echo, &block))).first
    end

    # Calls the block in a thread and stops the reactor afterwards.
    def meanwhile
      Thread.new do
        Timeout.timeout(10) { yield }
      rescue Exception => e
        puts e.full_message
      ensure
        EM.stop
      end
    end

    def status_of(pid) = Process.wait2(pid).last.exitstatus

    def echo(socket, text)
      socket.write(text)
      socket.readpartial(100)
    end
  RUBY

  def assert_program_prints(*lines, source)
    assert_prints(*lines, "#{PRELUDE}\n#{source}", limit: 25)
  end

  def test_fork_reactor_runs_a_reactor_in_the_child
    assert_program_prints "child true true", "parent 7", <<~RUBY
      EM.run do
        parent = Process.pid
        pid = EM.fork_reactor do
          puts "child \#{Process.pid != parent} \#{EM.reactor_running?}"
          exit!(7)
        end
        meanwhile { puts "parent \#{status_of(pid)}" }
      end
    RUBY
  end

  def test_the_child_of_a_fork_has_no_reactor_until_it_runs_one
    assert_program_prints "false", "running", "parent true 0", <<~RUBY
      EM.run do
        pid = fork do
          puts EM.reactor_running?
          EM.run { puts "running"; EM.add_timer(0.01) { EM.stop } }
          exit!(EM.reactor_running? ? 1 : 0)
        end
        meanwhile { code = status_of(pid); puts "parent \#{EM.reactor_running?} \#{code}" }
      end
    RUBY
  end

  def test_the_parents_connections_do_not_notice_a_child_that_runs_a_reactor
    assert_program_prints "before", "child", "0", "after", "new", <<~RUBY
      EM.run do
        port = echo_server
        meanwhile do
          socket = TCPSocket.new("127.0.0.1", port)
          puts echo(socket, "before")
          answer = Queue.new
          EM.next_tick do
            answer << fork do
              socket.close
              EM.run { EM.add_timer(0.05) { puts "child"; EM.stop } }
              exit!(0)
            end
          end
          puts status_of(answer.pop)
          puts echo(socket, "after")
          puts echo(TCPSocket.new("127.0.0.1", port), "new")
        end
      end
    RUBY
  end

  ENDINGS = { simply_ends: "nil", exits: "exit(0)", exits_at_once: "exit!(0)", collects_garbage: "GC.start" }.freeze

  ENDINGS.each do |name, ending|
    define_method("test_the_parents_connections_do_not_notice_a_child_that_#{name}") do
      assert_program_prints "before", "0", "after", <<~RUBY
        EM.run do
          port = echo_server
          meanwhile do
            socket = TCPSocket.new("127.0.0.1", port)
            puts echo(socket, "before")
            answer = Queue.new
            EM.next_tick { answer << fork { #{ending} } }
            puts status_of(answer.pop)
            puts echo(socket, "after")
          end
        end
      RUBY
    end
  end

  def test_a_child_that_touches_the_parents_connections_does_them_no_harm
    assert_program_prints "before", "0", "after", <<~RUBY
      EM.run do
        accepted = nil
        port = echo_server { |it| accepted = it }
        meanwhile do
          socket = TCPSocket.new("127.0.0.1", port)
          puts echo(socket, "before")
          answer = Queue.new
          EM.next_tick do
            answer << fork do
              %i[close_connection close_connection_after_writing pause].each { |call| accepted.public_send(call) }
              EM.stop
            rescue RuntimeError
              nil
            ensure
              exit!(0)
            end
          end
          puts status_of(answer.pop)
          puts echo(socket, "after")
        end
      end
    RUBY
  end

  def test_a_fork_in_unbind
    assert_program_prints "child runs", "0", <<~RUBY
      fork_there = Class.new(EM::Connection) do
        def unbind
          pid = fork do
            EM.run { puts "child runs"; EM.stop }
            exit!(0)
          end
          puts status_of(pid)
          EM.stop
        end
      end
      EM.run { EM.connect("127.0.0.1", echo_server, fork_there).close_connection }
    RUBY
  end

  def test_the_childs_reactor_serves_while_the_parents_does
    assert_program_prints "child", "parent", <<~RUBY
      EM.run do
        port = echo_server
        reader, writer = IO.pipe
        pid = EM.fork_reactor { writer.puts(echo_server) }
        meanwhile do
          socket = TCPSocket.new("127.0.0.1", port)
          puts echo(TCPSocket.new("127.0.0.1", reader.gets.to_i), "child")
          puts echo(socket, "parent")
          Process.kill(:KILL, pid)
          Process.wait(pid)
        end
      end
    RUBY
  end

  def test_timers_and_ticks_of_the_parent_do_not_run_in_the_child
    assert_program_prints "child done", "parent timer", <<~RUBY
      EM.run do
        EM.add_timer(0.3) { puts "parent timer"; EM.stop }
        EM.next_tick do
          pid = EM.fork_reactor { EM.add_timer(0.5) { puts "child done"; exit!(0) } }
          Process.wait(pid)
        end
      end
    RUBY
  end

  def test_the_childs_copies_of_connections_are_unbound_in_the_child_only
    assert_program_prints "unbind in the child", "child runs", "parent stops", "unbind in the parent", <<~RUBY
      parent = Process.pid
      handler = Class.new(EM::Connection) do
        define_method(:unbind) { puts "unbind in the \#{Process.pid == parent ? :parent : :child}" }
      end
      EM.run do
        EM.connect("127.0.0.1", echo_server, handler) do
          EM.add_timer(0.05) do
            Process.wait(EM.fork_reactor { puts "child runs"; exit!(0) })
            EM.add_timer(0.05) { puts "parent stops"; EM.stop }
          end
        end
      end
    RUBY
  end

  def test_shutdown_hooks_of_the_parent_run_at_the_end_of_the_childs_run_too
    assert_program_prints "hook in the child", "0", "hook in the parent", <<~RUBY
      parent = Process.pid
      EM.run do
        EM.add_shutdown_hook { puts "hook in the \#{Process.pid == parent ? :parent : :child}" }
        pid = fork do
          EM.run { EM.stop }
          exit!(0)
        end
        meanwhile { puts status_of(pid) }
      end
    RUBY
  end

  def test_the_child_may_defer_although_the_parent_has_a_thread_pool
    assert_program_prints "parent result", "child result", "0", <<~RUBY
      EM.run do
        EM.defer(-> { "parent result" }, lambda { |result|
          puts result
          pid = EM.fork_reactor do
            EM.defer(-> { "child result" }, ->(it) { puts it; exit!(0) })
          end
          meanwhile { puts status_of(pid) }
        })
      end
    RUBY
  end

  def test_a_child_may_clear_reactor_running_and_run_its_own_reactor
    assert_program_prints "child runs", "0", <<~RUBY
      EM.run do
        pid = fork do
          EM.instance_variable_set(:@reactor_running, false)
          EM.run { puts "child runs"; EM.stop }
          exit!(0)
        end
        meanwhile { puts status_of(pid) }
      end
    RUBY
  end

  def test_the_child_inherits_no_descriptors_after_its_run
    skip "needs /proc" unless File.directory?("/proc/self/fd")
    assert_program_prints "0", <<~RUBY
      EM.run do
        before = Dir.children("/proc/self/fd").size
        5.times { echo_server }
        pid = fork do
          EM.run { EM.add_timer(0.01) { EM.stop } }
          exit!([Dir.children("/proc/self/fd").size - before, 0].max)
        end
        meanwhile { puts status_of(pid) }
      end
    RUBY
  end

  def test_a_daemon_may_run_after_a_run
    assert_program_prints "daemon", <<~RUBY
      EM.run { EM.stop }
      reader, writer = IO.pipe
      fork { Process.daemon; EM.run { writer.puts("daemon"); EM.stop } }
      Process.wait
      puts reader.gets
    RUBY
  end
end
