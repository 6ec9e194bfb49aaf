# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# EM.run from its beginning to its return: where blocks run, nesting, running again, running in a thread, and what may
# be called without a reactor. For how a run ends see shutdown_test.rb and leaving_test.rb.

require "test_helper"

class RunTest < ReactorTest
  repeat_under_gc_pressure

  def test_the_block_runs_inside_the_loop_on_the_reactor_thread
    seen = nil
    result = reactor do
      seen = [EM.reactor_running?, EM.reactor_thread?, EM.reactor_thread, EM.stopping?]
      EM.stop
    end
    assert_equal [true, true, Thread.current, false], seen
    assert_nil result
    assert_not_running
  end

  def test_the_block_may_be_any_callable_and_wins_over_a_block
    called = []
    EM.run(-> { called << :callable and EM.stop }) { called << :block }
    assert_equal [:callable], called
  end

  def test_something_that_cannot_be_called_fails_from_inside_the_loop
    assert_raises(NoMethodError) { EM.run(Object.new) }
    assert_not_running
  end

  def test_without_a_block_the_loop_just_runs
    ran = false
    EM.next_tick { ran = true and EM.stop }
    assert_nil EM.run
    assert ran
  end

  def test_run_block_stops_after_the_block
    ran = false
    assert_nil EM.run_block { ran = EM.reactor_running? }
    assert ran
    assert_not_running
  end

  def test_run_block_without_a_block_is_refused_and_starts_no_reactor
    assert_raises(ArgumentError) { EM.run_block }
    assert_not_running
  end

  def test_a_nested_run_calls_its_block_at_once_and_returns_its_value
    order = []
    reactor do
      order << EM.run { order << :inner and :value }
      EM.next_tick { EM.stop }
      order << :outer
    end
    assert_equal %i[inner value outer], order
  end

  def test_run_in_another_thread_calls_its_block_there_while_the_reactor_runs
    thread = nil
    reactor do
      thread = Thread.new { EM.run { [Thread.current, EM.reactor_thread?] }.tap { EM.stop } }
    end
    assert_equal [thread, false], thread.value
  end

  def test_run_may_be_repeated
    runs = Array.new(5) do |i|
      seen = nil
      reactor { EM.add_timer(0) { (seen = i) && EM.stop } }
      seen
    end
    assert_equal [0, 1, 2, 3, 4], runs
  end

  def test_run_may_be_repeated_after_an_exception
    3.times { assert_raises(ArgumentError) { reactor { raise ArgumentError } } }
    ran = false
    reactor { (ran = true) && EM.stop }
    assert ran
  end

  def test_ticks_queued_before_run_are_called_after_its_block_in_order
    order = []
    3.times { |i| EM.next_tick { order << i } }
    reactor do
      order << :block
      EM.next_tick { EM.stop }
    end
    assert_equal [:block, 0, 1, 2], order
  end

  def test_a_run_leaves_nothing_to_the_next_one
    leftovers = []
    reactor do
      EM.heartbeat_interval = 7.5
      EM.add_timer(0.01) { leftovers << :timer }
      EM.add_periodic_timer(0.01) { leftovers << :periodic_timer }
      server
      EM.next_tick { leftovers << :tick_after_stop }
      EM.add_shutdown_hook { leftovers.clear }
      EM.stop
    end
    reactor do
      leftovers << :heartbeat_interval unless EM.heartbeat_interval == 2.0
      leftovers << :connections unless EM.connection_count.zero?
      EM.add_timer(0.03) { EM.stop }
    end
    assert_empty leftovers
  end

  def test_the_reactor_may_run_in_any_thread
    seen = nil
    thread = Thread.new do
      EM.run do
        seen = [EM.reactor_thread, EM.reactor_thread?]
        EM.stop
      end
    end
    thread.join
    assert_equal [thread, true], seen
    assert_not_running
  end

  def test_an_exception_ends_the_thread_that_runs_the_reactor
    thread = Thread.new { EM.run { raise IOError, "over" } }
    thread.report_on_exception = false
    assert_equal "over", assert_raises(IOError) { thread.join }.message
    assert_not_running
  end

  def test_other_threads_know_that_they_are_not_the_reactor
    seen = nil
    reactor do
      Thread.new { seen = [EM.reactor_running?, EM.reactor_thread?, EM.reactor_thread] }.join
      EM.stop
    end
    assert_equal [true, false, Thread.current], seen
  end

  NEEDING_A_REACTOR = {
    stop: -> { EM.stop }, stopping?: -> { EM.stopping? }, current_time: -> { EM.current_time },
    connection_count: -> { EM.connection_count }, num_close_scheduled: -> { EM.num_close_scheduled },
    signal_loopbreak: -> { EM.signal_loopbreak }, set_quantum: -> { EM.set_quantum(50) },
    add_timer: -> { EM.add_timer(1) { nil } }, get_timer_count: -> { EM.get_timer_count },
    heartbeat_interval: -> { EM.heartbeat_interval }, set_heartbeat_interval: -> { EM.set_heartbeat_interval(1.0) },
    start_server: -> { EM.start_server("127.0.0.1", 0) }, connect: -> { EM.connect("127.0.0.1", 1) },
    start_unix_domain_server: -> { EM.start_unix_domain_server("/tmp/em-#{Process.pid}") },
    run_machine_once: -> { EM.run_machine_once }
  }.freeze

  NEEDING_A_REACTOR.each do |name, call|
    define_method("test_#{name.to_s.delete('?')}_without_a_reactor_raises") do
      assert_match(/\Aeventmachine not initialized/, assert_raises(RuntimeError, &call).message)
    end
  end

  def test_functions_that_need_no_reactor_work_without_one
    assert_equal :extension, EM.library_type
    assert_includes [true, false], EM.ssl?
    assert_includes [true, false], EM.epoll?
    assert_includes [true, false], EM.kqueue?
    assert_kind_of Integer, EM.get_max_timers
    assert_kind_of Integer, EM.get_simultaneous_accept_count
    assert_equal Process.getrlimit(:NOFILE).first, EM.set_descriptor_table_size
    assert_nil EM.next_tick { nil }
    assert_nil EM.schedule { nil }
    assert_equal [false, false, nil], [EM.reactor_running?, EM.reactor_thread?, EM.reactor_thread]
  end
end
