# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# Signals: the idioms of trap, interrupts, children that end, pipes that break. Each test is a separate program.

require "test_helper"

class SignalTest < ReactorTest
  self.time_limit = 30

  def test_stop_in_a_trap_ends_an_idle_loop_at_once
    assert_prints "trapped", <<~RUBY
      trapped = false
      trap(:TERM) do
        trapped = true
        EM.stop
      end
      EM.run { Thread.new { sleep 0.1; Process.kill(:TERM, Process.pid) } }
      puts "trapped" if trapped
    RUBY
  end

  def test_stop_in_a_trap_ends_a_busy_loop
    assert_prints "stopped", <<~RUBY
      trap(:TERM) { EM.stop }
      EM.run do
        again = -> { EM.next_tick(again) }
        again.call
        EM.add_timer(0.05) { Process.kill(:TERM, Process.pid) }
      end
      puts "stopped"
    RUBY
  end

  def test_a_timer_may_be_added_in_a_trap
    assert_prints "reloading true", "soon", <<~RUBY
      trap(:HUP) { EM.add_timer(0) { puts "reloading \#{EM.reactor_thread?}"; EM.stop } }
      EM.run do
        EM.add_timer(600) { EM.stop } # Nothing but the signal ends the run in time.
        Thread.new { sleep 0.1; Process.kill(:HUP, Process.pid) }
      end
      puts "soon"
    RUBY
  end

  def test_schedule_in_a_trap_on_the_reactor_thread_calls_at_once
    assert_prints "value", <<~RUBY
      trap(:USR1) { puts EM.schedule { :value }; EM.stop }
      EM.run { Process.kill(:USR1, Process.pid) }
    RUBY
  end

  def test_next_tick_in_a_trap_works_or_raises_a_clear_error
    assert_prints "fine", <<~RUBY
      trap(:USR1) do
        EM.next_tick { puts "fine"; EM.stop }
      rescue ThreadError
        EM.add_timer(0) { puts "fine"; EM.stop }
      end
      EM.run { Process.kill(:USR1, Process.pid) }
    RUBY
  end

  def test_send_data_and_close_in_a_trap
    assert_prints "goodbye", <<~RUBY
      speaker = nil
      trap(:USR1) { speaker.send_data("goodbye"); speaker.close_connection_after_writing }
      listen = Module.new { def receive_data(data) = puts(data); def unbind = EM.stop }
      EM.run do
        port = Socket.unpack_sockaddr_in(EM.get_sockname(EM.start_server("127.0.0.1", 0, listen))).first
        speaker = EM.connect("127.0.0.1", port)
        EM.add_timer(0.05) { Process.kill(:USR1, Process.pid) }
      end
    RUBY
  end

  { INT: "Interrupt", TERM: "SignalException" }.each do |signal, error|
    define_method("test_sig#{signal.downcase}_leaves_run_after_hooks_and_unbinds") do
      assert_prints "hook", "unbind", "#{error} false", <<~RUBY
        handler = Module.new { def unbind = puts("unbind") }
        begin
          EM.run do
            EM.add_shutdown_hook { puts "hook" }
            port = Socket.unpack_sockaddr_in(EM.get_sockname(EM.start_server("127.0.0.1", 0))).first
            EM.connect("127.0.0.1", port, handler)
            Thread.new { sleep 0.1; Process.kill(:#{signal}, Process.pid) }
          end
        rescue SignalException => e
          puts "\#{e.class} \#{EM.reactor_running?}"
        end
      RUBY
    end
  end

  def test_an_interrupt_does_not_go_to_the_error_handler
    assert_prints "Interrupt", <<~RUBY
      EM.error_handler { |error| puts "handled \#{error.class}" }
      begin
        EM.run { EM.add_timer(0.05) { Process.kill(:INT, Process.pid); sleep 1 } }
      rescue Interrupt => e
        puts e.class
      end
    RUBY
  end

  def test_a_hundred_children_that_end_do_not_disturb_the_reactor
    assert_prints "100 true", <<~RUBY, limit: 25
      ended = 0
      trap(:CHLD) { ended += 1 while Process.wait(-1, Process::WNOHANG) rescue Errno::ECHILD }
      echo = Module.new { def receive_data(data) = send_data(data) }
      client = Class.new(EM::Connection) do
        attr_reader :count
        def receive_data(data) = (@count = @count.to_i + 1) && send_data(data)
      end
      EM.run do
        port = Socket.unpack_sockaddr_in(EM.get_sockname(EM.start_server("127.0.0.1", 0, echo))).first
        connection = EM.connect("127.0.0.1", port, client)
        connection.send_data("x")
        Thread.new { 100.times { spawn("true") } }
        EM.add_periodic_timer(0.005) { EM.stop if ended == 100 && connection.count.to_i > 100 }
        EM.add_timer(15) { EM.stop }
        EM.add_shutdown_hook { puts "\#{ended} \#{connection.count > 100}" }
      end
    RUBY
  end

  def test_no_handlers_are_installed
    skip "needs /proc" unless File.exist?("/proc/self/status")
    assert_prints "true", <<~'RUBY'
      caught = -> { File.read("/proc/self/status").scan(/^Sig(?:Cgt|Ign|Blk):.*/) }
      before = caught.call
      EM.run_block { EM.start_server("127.0.0.1", 0) }
      puts caught.call == before
    RUBY
  end

  def test_a_broken_pipe_does_not_kill_a_program_that_left_sigpipe_alone
    assert_prints "unbound", "alive", <<~RUBY
      trap(:PIPE, "SYSTEM_DEFAULT")
      handler = Module.new { def unbind = puts("unbound") || EM.stop }
      EM.run do
        listener = TCPServer.new("127.0.0.1", 0)
        connection = EM.connect("127.0.0.1", listener.local_address.ip_port, handler)
        EM.add_timer(0.05) do
          socket = listener.accept
          socket.setsockopt(Socket::Option.linger(true, 0))
          socket.close
        end
        EM.add_periodic_timer(0.001) { connection.send_data("x" * 100_000) }
      end
      puts "alive"
    RUBY
  end
end
