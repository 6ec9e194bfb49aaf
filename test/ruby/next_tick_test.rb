# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# next_tick, schedule and Callback: work for the reactor thread.

require "test_helper"

class NextTickTest < ReactorTest
  repeat_under_gc_pressure except: [/ten_thousand/, /do_not_starve/], full: true

  def test_ticks_run_in_order_on_the_reactor_thread
    order = []
    reactor do
      10.times { |i| EM.next_tick { order << [i, EM.reactor_thread?] } }
      EM.next_tick { EM.stop }
      order << :block
    end
    assert_equal [:block] + Array.new(10) { |i| [i, true] }, order
  end

  def test_it_returns_nil_and_takes_a_callable_or_a_block
    ran = []
    results = nil
    reactor do
      results = [EM.next_tick { ran << :block }, EM.next_tick(-> { ran << :callable }),
                 EM.next_tick(nil) { ran << :both }, EM.next_tick(-> { ran << :first }) { ran << :never }]
      EM.next_tick { EM.stop }
    end
    assert_equal [[nil] * 4, %i[block callable both first]], [results, ran]
  end

  def test_nothing_to_call_is_an_argument_error
    [[], [nil], [42], ["text"]].each do |arguments|
      error = assert_raises(ArgumentError) { EM.next_tick(*arguments) }
      assert_equal "no proc or block given", error.message
    end
  end

  def test_ticks_queued_by_ticks_wait_for_the_next_turn
    order = []
    reactor do
      EM.next_tick do
        order << 1
        EM.next_tick { (order << 3) && EM.stop }
      end
      EM.next_tick { order << 2 }
    end
    assert_equal [1, 2, 3], order
  end

  def test_ticks_that_queue_ticks_do_not_starve_others
    ticks = 0
    fired = false
    conversation = nil
    reactor do
      again = -> { (ticks += 1) && EM.next_tick(again) }
      again.call
      EM.add_timer(0.005) { fired = true }
      conversation = talk(port_of(EM.start_server("127.0.0.1", 0, Echo))) do |socket|
        Array.new(50) { socket.write("x") && socket.read(1) }.join.tap { wait_until { fired } }
      end
    end
    assert_equal "x" * 50, conversation.value
    assert_operator ticks, :>, 10
  end

  def test_a_tick_from_another_thread_wakes_the_loop
    reactor do
      EM.add_timer(self.class.time_limit * 2) { flunk "nothing but a timer has woken the loop" }
      Thread.new do
        wait_until_asleep
        EM.next_tick { EM.stop }
      end
    end
    assert_not_running
  end

  def test_ticks_queued_while_stopping_are_dropped
    late = false
    reactor do
      EM.add_shutdown_hook { EM.next_tick { late = true } }
      EM.stop
    end
    reactor { EM.add_timer(0.01) { EM.stop } }
    refute late
  end

  def test_ten_thousand_ticks_in_one_turn
    ran = []
    reactor do
      10_000.times { |i| EM.next_tick { ran << i } }
      EM.next_tick { EM.stop }
    end
    assert_equal (0...10_000).to_a, ran
  end

  def test_an_exception_loses_none_of_the_later_ticks
    order = []
    5.times { |i| EM.next_tick { i == 1 ? raise("first") : order << i } }
    assert_raises(RuntimeError) { EM.run_deferred_callbacks }
    assert_equal [0], order
    EM.run_deferred_callbacks
    assert_equal [0, 2, 3, 4], order
  end

  def test_ticks_queued_after_stop_run_in_the_same_turn
    ran = false
    reactor do
      EM.stop
      EM.next_tick { ran = true }
    end
    assert ran
  end

  def test_ticks_queued_between_two_runs_belong_to_the_second
    ran = []
    reactor { EM.stop }
    EM.next_tick { ran << EM.reactor_thread? }
    assert_empty ran
    reactor { EM.stop }
    assert_equal [true], ran
  end

  def test_run_deferred_callbacks_runs_the_ticks_now
    order = []
    reactor do
      EM.next_tick { order << :tick }
      EM.run_deferred_callbacks
      order << :after
      EM.stop
    end
    assert_equal %i[tick after], order
  end

  def test_the_queue_is_where_tools_look_for_it
    EM.next_tick { nil }
    assert_equal 1, EM.instance_variable_get(:@next_tick_queue).size
    EM.cleanup_machine
    assert_empty EM.instance_variable_get(:@next_tick_queue)
  end
end

class ScheduleTest < ReactorTest
  repeat_under_gc_pressure

  def test_on_the_reactor_thread_it_calls_at_once_and_returns_the_value
    order = []
    reactor do
      order << EM.schedule { (order << :scheduled) && :value }
      EM.stop
    end
    assert_equal %i[scheduled value], order
  end

  def test_on_other_threads_it_queues_and_returns_nil
    seen = nil
    result = :none
    reactor do
      Thread.new { result = EM.schedule { (seen = EM.reactor_thread?) && EM.stop } }.join
      assert_nil seen
    end
    assert_equal [true, nil], [seen, result]
  end

  def test_before_run_it_queues
    ran = false
    assert_nil EM.schedule { ran = true }
    refute ran
    reactor { EM.next_tick { EM.stop } }
    assert ran
  end

  def test_it_takes_what_callback_takes
    list = []
    reactor do
      assert_same list, EM.schedule(list, :clear)
      assert_equal 1, EM.schedule(-> { 1 })
      assert_raises(ArgumentError) { EM.schedule }
      EM.stop
    end
  end

  def test_on_the_reactor_thread_a_block_makes_no_objects
    made = nil
    reactor do
      EM.schedule { nil }
      before = GC.stat(:total_allocated_objects)
      100.times { EM.schedule { nil } }
      made = GC.stat(:total_allocated_objects) - before
      EM.stop
    end
    assert_operator made, :<, 50
  end

  def test_its_block_can_be_left_like_any_block
    reactor do
      assert_equal(:left, EM.schedule { break :left })
      assert_equal(:next, EM.schedule { next :next })
      assert_raises(KeyError) { EM.schedule { raise KeyError } }
      EM.stop
    end
  end

  def test_the_reactors_thread_is_one_only_while_it_runs
    seen = [EM.reactor_thread?]
    reactor do
      seen << EM.reactor_thread? << Thread.new { EM.reactor_thread? }.value << Fiber.new { EM.reactor_thread? }.resume
      reader, writer = IO.pipe
      Process.wait(fork { writer.write(EM.reactor_thread?.to_s) && exit!(0) })
      writer.close
      seen << reader.read
      reader.close
      EM.stop
    end
    assert_equal [false, true, false, true, "false", false], seen << EM.reactor_thread?
  end

  def test_callback_makes_something_callable
    callable = ->(*all) { all }
    assert_same callable, EM.Callback(callable)
    assert_same callable, EM.Callback(callable) { :block }
    assert_equal [1, 2], EM.Callback { |*all| all }.call(1, 2)
    assert_equal [1, 2], EM.Callback([1], :concat).call([2])
    assert_raises(ArgumentError) { EM.Callback }
    assert_raises(ArgumentError) { EM.Callback(42) }
  end

  def test_callback_reaches_private_methods
    object = Class.new { private def secret(one, two = 2) = [one, two] }.new
    assert_equal [1, 2], EM.Callback(object, :secret).call(1)
  end
end
