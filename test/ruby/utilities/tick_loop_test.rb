# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "test_helper"

class TickLoopTest < ReactorTest
  def test_the_work_runs_once_in_each_turn_until_it_says_stop
    turns = []
    reactor do
      before = nil
      loop = EM.tick_loop do
        turns << EM.stats[:turns]
        turns.size == 5 ? :stop : nil
      end
      before = turns.size
      assert_equal 0, before
      loop.on_stop { EM.stop }
    end
    assert_equal turns.uniq, turns
    assert_equal 5, turns.size
  end

  def test_it_may_be_started_before_the_reactor
    count = 0
    loop = EM.tick_loop { (count += 1) == 3 ? :stop : true }
    loop.on_stop { EM.stop }
    reactor {}
    assert_equal 3, count
    assert_predicate loop, :stopped?
  end

  def test_only_stop_itself_stops
    results = [nil, false, "stop", :Stop, 0, :stop]
    reactor { EM.tick_loop { results.shift }.on_stop { EM.stop } }
    assert_empty results
  end

  def test_a_loop_that_is_made_does_not_run
    loop = EM::TickLoop.new { flunk }
    assert_predicate loop, :stopped?
    assert_nil loop.stop
  end

  def test_it_is_called_by_object_and_method
    called = []
    called.define_singleton_method(:work) { push(1) && :stop }
    reactor { EM.tick_loop(called, :work).on_stop { EM.stop } }
    assert_equal [1], called
  end

  def test_without_work_or_handler_it_raises
    assert_raises(ArgumentError) { EM::TickLoop.new }
    assert_raises(ArgumentError) { EM.tick_loop }
    assert_raises(ArgumentError) { EM::TickLoop.new {}.on_stop }
  end

  def test_a_second_start_raises
    reactor do
      loop = EM.tick_loop { :stop }
      error = assert_raises(ArgumentError) { loop.start }
      assert_equal "double start", error.message
      loop.on_stop { EM.stop }
    end
  end

  def test_stop_takes_effect_at_once_and_calls_its_handlers_in_order
    order = []
    reactor do
      loop = EM.tick_loop { flunk "it was stopped" }
      2.times { |i| loop.on_stop { order << i } }
      assert_nil loop.stop
      assert_equal [0, 1], order
      loop.stop
      loop.on_stop { order << :at_once }
      assert_equal [0, 1, :at_once], order
      EM.add_timer(0.01) { EM.stop }
    end
  end

  def test_a_handler_belongs_to_one_stop
    stops = 0
    runs = 0
    reactor do
      loop = EM::TickLoop.new do
        runs += 1
        :stop
      end
      loop.start.on_stop do
        stops += 1
        loop.start.on_stop { EM.stop }
      end
    end
    assert_equal [1, 2], [stops, runs]
  end

  def test_stop_and_start_in_one_turn_leave_one_loop
    turns = []
    reactor do
      loop = EM.tick_loop do
        turns << EM.stats[:turns]
        EM.stop if turns.size == 10
      end
      3.times { loop.stop && flunk || loop.start }
    end
    assert_equal turns.uniq, turns
  end

  def test_stop_and_start_within_the_work_leave_one_loop
    turns = []
    reactor do
      loop = EM.tick_loop do
        turns << EM.stats[:turns]
        loop.stop
        turns.size == 10 ? EM.stop : loop.start
      end
    end
    assert_equal turns.uniq, turns
  end

  def test_an_exception_of_the_work_reaches_the_reactor_and_ends_the_loop
    count = 0
    loop = nil
    assert_raises(IOError) do
      reactor do
        loop = EM.tick_loop do
          count += 1
          raise IOError
        end
      end
    end
    assert_equal 1, count
    refute_predicate loop, :stopped?
  end
end
