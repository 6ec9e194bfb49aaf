# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# defer: blocking work on the thread pool, whose results and errors are delivered on the reactor thread.

require "test_helper"

class DeferTest < ReactorTest
  repeat_under_gc_pressure except: [/many_operations/, /in_the_main_thread/, /20_threads/]

  def setup
    EM.threadpool_size = 4
  end

  def test_nothing_to_call_is_refused_by_the_call
    reactor do
      assert_raises(ArgumentError) { EM.defer }
      assert_raises(ArgumentError) { EM.defer(nil, ->(_) {}) }
      EM.stop
    end
  end

  def test_a_callback_or_errback_that_cannot_be_called_is_refused_before_the_operation_runs
    ran = []
    reactor do
      assert_raises(ArgumentError) { EM.defer(-> { ran << 1 }, 42) }
      assert_raises(ArgumentError) { EM.defer(-> { ran << 2 }, nil, "text") }
      assert EM.defers_finished?
      EM.defer(-> { ran << 3 }, ->(_) { EM.stop })
    end
    assert_equal [3], ran
  end

  def test_the_operation_runs_on_another_thread_and_its_result_arrives_on_the_reactor_thread
    seen = nil
    reactor do
      operation = -> { [:result, EM.reactor_thread?] }
      EM.defer(operation, ->(result) { (seen = [*result, EM.reactor_thread?]) && EM.stop })
    end
    assert_equal [:result, false, true], seen
  end

  def test_the_operation_may_be_a_block
    ran = nil
    reactor { EM.defer { (ran = EM.reactor_thread?) || EM.stop } }
    assert_equal false, ran
  end

  def test_an_error_goes_to_the_errback_on_the_reactor_thread
    [ArgumentError, NotImplementedError, Class.new(Exception)].each do |error|
      seen = nil
      reactor do
        EM.defer(-> { raise error, "failed" }, ->(_) { flunk "called" },
                 ->(raised) { (seen = [raised.class, raised.message, EM.reactor_thread?]) && EM.stop })
      end
      assert_equal [error, "failed", true], seen
    end
  end

  def test_an_operation_that_cannot_be_called_is_an_error_like_any_other
    seen = nil
    reactor { EM.defer(42, nil, ->(raised) { (seen = raised.class) && EM.stop }) }
    assert_equal NoMethodError, seen
  end

  def test_an_error_without_an_errback_is_raised_in_the_main_thread
    run = program('EM.run { EM.defer { raise IOError, "nobody cares" } }')
    refute_predicate run.status, :success?
    assert_match(/nobody cares \(IOError\)/, run.errors)
  end

  def test_the_reactor_goes_on_while_operations_block
    ticks = 0
    reactor do
      gate = Thread::Queue.new
      EM.defer(-> { gate.pop }, ->(_) { EM.stop })
      EM.add_periodic_timer(0.001) { gate << true if (ticks += 1) == 10 }
    end
    assert_operator ticks, :>=, 10
  end

  def test_operations_that_block_delay_no_name_and_no_connection
    connected = false
    reactor do
      gate = Thread::Queue.new
      100.times { EM.defer { gate.pop } }
      script = { connection_completed: ->(_) { (connected = true) && EM.stop } }
      EM.connect("localhost", server, Scripted, script)
    end
    assert connected
  end

  def test_the_pool_has_threadpool_size_threads_and_runs_that_many_operations_at_a_time
    pool = nil
    together = Thread::Queue.new
    gate = Thread::Queue.new
    started = nil
    reactor do
      6.times { EM.defer { (together << true) && gate.pop } }
      pool = EM.threadpool
      as_soon_as(-> { together.size >= 4 }) do
        EM.add_timer(0.03) do
          started = together.size
          EM.stop
        end
      end
    end
    assert_equal [4, 4], [pool.size, started]
    assert(pool.all?(Thread))
  end

  def test_the_pool_has_20_threads_by_default
    assert_equal 20, Leftovers::THREADPOOL_SIZE
    EM.threadpool_size = 7
    assert_equal 7, EM.threadpool_size
    size = nil
    reactor { EM.defer(-> { nil }, ->(_) { (size = EM.threadpool.size) && EM.stop }) }
    assert_equal [7, nil], [size, EM.threadpool]
  end

  def test_operations_start_in_order
    EM.threadpool_size = 1
    started = []
    results = []
    reactor do
      10.times { |i| EM.defer(-> { (started << i) && i }, ->(result) { results << result }) }
      EM.defer(-> { nil }, ->(_) { EM.stop })
    end
    assert_equal [(0...10).to_a] * 2, [started, results]
  end

  def test_the_results_of_many_operations_all_arrive
    EM.threadpool_size = 8
    results = []
    reactor do
      200.times { |i| EM.defer(-> { i * i }, ->(it) { (results << it) && results.size == 200 && EM.stop }) }
    end
    assert_equal (0...200).map { |i| i * i }, results.sort
  end

  def test_results_arrive_before_ticks
    order = []
    reactor do
      done = false
      EM.defer(-> { done = true }, ->(_) { order << :result })
      sleep 0.001 until done
      sleep 0.02
      EM.next_tick { (order << :tick) && EM.stop }
    end
    assert_equal %i[result tick], order
  end

  def test_an_error_in_the_callback_leaves_run
    assert_raises(IOError) { reactor { EM.defer(-> { nil }, ->(_) { raise IOError }) } }
    assert_not_running
  end

  def test_defers_finished_is_true_once_all_results_are_delivered
    seen = []
    reactor do
      seen << EM.defers_finished?
      gate = Thread::Queue.new
      EM.defer(-> { gate.pop }, ->(_) { seen << :delivered })
      seen << EM.defers_finished?
      EM.add_timer(0.02) { (seen << EM.defers_finished?) && gate << true }
      as_soon_as(-> { EM.defers_finished? }) { (seen << :finished) && EM.stop }
    end
    assert_equal [true, false, false, :delivered, :finished], seen
  end

  def test_an_operation_may_be_deferred_before_run
    ran = Thread::Queue.new
    seen = nil
    EM.defer(-> { (ran << true) && :early }, ->(result) { (seen = [result, EM.reactor_thread?]) && EM.stop })
    ran.pop
    reactor { nil }
    assert_equal [:early, true], seen
  end

  def test_operations_that_are_not_finished_are_abandoned
    pool = nil
    delivered = false
    reactor do
      EM.defer(-> { sleep }, ->(_) { delivered = true })
      pool = EM.threadpool
      EM.add_timer(0.02) { EM.stop }
    end
    assert_empty(pool.reject { |thread| thread.join(1) })
    refute delivered
    assert EM.defers_finished?
  end

  def test_operations_may_defer_more
    seen = nil
    reactor do
      EM.defer(-> { EM.defer(-> { :inner }, ->(it) { (seen = it) && EM.stop }) })
    end
    assert_equal :inner, seen
  end
end
