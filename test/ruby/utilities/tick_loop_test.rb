# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "test_helper"

class TickLoopTest < ReactorTest
  def setup
    @log = []
  end

  attr_reader :log

  # Counts the turns of the reactor, and calls the block in each after the loop's work.
  def each_turn(turns)
    count = 0
    tick = lambda do
      yield count += 1
      count < turns ? EM.next_tick(tick) : EM.stop
    end
    EM.next_tick(tick)
  end

  def test_the_work_is_called_once_in_each_turn_until_it_returns_stop
    works = 0
    reactor do
      EM.tick_loop { (works += 1) == 5 ? :stop : nil }
      assert_equal 0, works
      each_turn(10) { |turn| log << [turn, works] }
    end
    assert_equal (1..10).map { |turn| [turn, [turn, 5].min] }, log
  end

  def test_tick_loop_starts_it
    reactor do
      it = EM.tick_loop { :stop }
      assert_kind_of EM::TickLoop, it
      refute_predicate it, :stopped?
      it.on_stop { EM.stop }
    end
  end

  def test_it_may_be_started_before_the_reactor
    it = EM::TickLoop.new { log << :work && EM.stop || :stop }
    assert_predicate it, :stopped?
    assert_same it, it.start
    reactor {}
    assert_equal [[:work], true], [log, it.stopped?]
  end

  def test_a_running_loop_cannot_be_started
    it = EM.tick_loop { :stop }
    assert_equal "double start", assert_raises(ArgumentError) { it.start }.message
    reactor { EM.stop }
  end

  def test_a_missing_callback_is_an_argument_error
    assert_raises(ArgumentError) { EM::TickLoop.new }
    assert_raises(ArgumentError) { EM.tick_loop }
    assert_raises(ArgumentError) { EM::TickLoop.new {}.on_stop }
  end

  def test_stop_calls_the_callbacks_in_order_before_it_returns
    reactor do
      it = EM.tick_loop { log << :work }
      it.on_stop { log << 1 }
      it.on_stop(log, :push)
      it.on_stop { log << it.stopped? }
      assert_nil it.stop
      assert_equal [1, true], log
      assert_nil it.stop
      assert_equal [1, true], log
      each_turn(2) {}
    end
    assert_equal [1, true], log
  end

  def test_on_stop_of_a_stopped_loop_calls_at_once
    EM::TickLoop.new {}.on_stop { log << 1 }
    assert_equal [1], log
  end

  def test_on_stop_callbacks_are_called_for_one_stop_only
    reactor do
      it = EM.tick_loop {}
      it.on_stop { log << :first }
      it.stop
      it.start
      it.on_stop { log << :second }
      it.stop
      EM.stop
    end
    assert_equal %i[first second], log
  end

  def test_an_on_stop_callback_may_start_the_loop_again
    it = EM.tick_loop {}
    it.on_stop { it.start && it.on_stop { log << :later } }
    it.on_stop { log << :now }
    it.stop
    assert_equal [[:now], false], [log, it.stopped?]
    it.stop
    assert_equal %i[now later], log
    reactor { EM.stop }
  end

  def test_an_on_stop_callback_that_raises_does_not_lose_later_ones
    it = EM.tick_loop {}
    it.on_stop { raise IOError }
    it.on_stop { log << :behind }
    assert_raises(IOError) { it.stop }
    assert_predicate it, :stopped?
    it.stop
    assert_equal [:behind], log
    reactor { EM.stop }
  end

  def test_stop_and_start_in_one_turn_leave_one_loop
    works = 0
    reactor do
      it = EM.tick_loop { works += 1 }
      3.times { it.stop || it.start }
      each_turn(5) { |turn| log << (works - turn) }
    end
    assert_equal [0], log.uniq
  end

  def test_work_may_stop_and_start_it
    works = 0
    reactor do
      it = EM::TickLoop.new { (works += 1) && it.stop || it.start && :stop }
      it.start
      each_turn(5) { |turn| log << (works - turn) }
    end
    assert_equal [0], log.uniq
  end

  def test_a_loop_whose_work_raises_neither_continues_nor_counts_as_stopped
    works = 0
    it = EM::TickLoop.new { (works += 1) && raise(IOError) }
    it.start
    assert_raises(IOError) { reactor {} }
    refute_predicate it, :stopped?
    reactor { each_turn(3) {} }
    assert_equal 1, works
    it.stop
    it.start
    assert_raises(IOError) { reactor {} }
    assert_equal 2, works
  end
end
