# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# Settings of the reactor and of the process, and the choice of a poller.

require "test_helper"

class SettingsTest < ReactorTest
  repeat_under_gc_pressure

  def test_the_quantum_is_between_5_ms_and_5_minutes
    reactor do
      assert_equal [nil, nil, nil], [EM.set_quantum(5), EM.set_quantum(300_000), EM.set_timer_quantum(90)]
      assert_nil EM.set_quantum(50.7)
      [4, 0, -1, 300_001].each do |wrong|
        assert_match(/invalid timer-quantum/, assert_raises(RuntimeError) { EM.set_quantum(wrong) }.message)
      end
      EM.stop
    end
  end

  def test_a_single_turn_waits_no_longer_than_the_quantum
    EM.initialize_event_machine
    EM.set_quantum(5)
    EM.run_machine_once
    assert EM.run_machine_once # Nothing else would end this turn, only the test's time limit.
  ensure
    EM.release_machine
  end

  def test_the_heartbeat_interval_is_kept_and_must_be_positive
    reactor do
      assert_equal 2.0, EM.heartbeat_interval
      EM.heartbeat_interval = 3
      assert_equal 3.0, EM.heartbeat_interval
      assert_equal [true, true], [EM.set_heartbeat_interval(1.5), EM.set_heartbeat_interval(4)]
      assert_equal [false, false], [EM.set_heartbeat_interval(0), EM.set_heartbeat_interval(-1.0)]
      assert_equal [4.0, 4.0], [EM.heartbeat_interval, EM.get_heartbeat_interval]
      EM.stop
    end
  end

  def test_switching_to_epoll_works_where_there_is_epoll
    echo_works = lambda do
      connection = nil
      reactor do
        port = port_of(EM.start_server("127.0.0.1", 0, Echo))
        connection = client(port, receive_data: ->(*) { EM.stop })
        connection.send_data("hello")
      end
      connection.received
    end
    assert_equal EM.epoll?, EM.epoll
    assert_equal "hello", echo_works.call
    EM.epoll = EM.epoll?
    assert_equal "hello", echo_works.call
    EM.epoll = false
    assert_equal "hello", echo_works.call
  end

  def test_pollers_that_are_missing_are_refused
    assert_equal EM.kqueue?, EM.kqueue
    EM.kqueue = false
    %w[epoll kqueue].reject { |poller| EM.public_send("#{poller}?") }.each do |poller|
      error = assert_raises(EM::Unsupported) { EM.public_send("#{poller}=", true) }
      assert_equal "#{poller} is not supported on this platform", error.message
    end
  end

  def test_the_descriptor_table_may_grow
    grown = in_child do
      soft = Process.getrlimit(:NOFILE).first
      Process.setrlimit(:NOFILE, 200, Process.getrlimit(:NOFILE).last)
      [EM.set_descriptor_table_size, EM.set_descriptor_table_size([soft, 300].min), Process.getrlimit(:NOFILE).first]
    end
    assert_equal 200, grown[0]
    assert_equal grown[2], grown[1]
    assert_operator grown[1], :>, 200
  end

  def test_cleanup_machine_may_be_called_without_a_reactor
    EM.next_tick { flunk "ran" }
    EM.cleanup_machine
    reactor { EM.add_timer(0.01) { EM.stop } }
    assert_nil EM.threadpool
  end

  def test_the_effective_user_must_exist
    error = in_child do
      reactor_error = nil
      begin
        EM.set_effective_user("no-such-user-#{Process.pid}")
      rescue RuntimeError => e
        reactor_error = e.message
      end
      reactor_error
    end
    assert_match(/setuid_string failed: unknown username/, error)
  end

  def test_a_program_may_take_the_turns_itself
    fired = []
    EM.initialize_event_machine
    EM.add_timer(0.01) { (fired << :timer) && EM.stop }
    turns = 1
    turns += 1 while EM.run_machine_once
    EM.release_machine
    assert_equal [:timer], fired
    assert_operator turns, :<, 100
    refute EM.reactor_running?
    reactor { EM.next_tick { EM.stop } }
  end

  def test_initializing_twice_is_an_error
    reactor do
      error = assert_raises(RuntimeError) { EM.initialize_event_machine }
      assert_match(/\Aeventmachine already initialized/, error.message)
      EM.stop
    end
  end
end
