# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# How many timers may be pending, and that a large number of them is no burden.

require "test_helper"

class TimerLimitTest < ReactorTest
  RAN_OUT = "ran out of timers; use #set_max_timers to increase limit"

  # @return [Exception, nil] the exception that stopped the block from being called that often
  def repeat(times, &block)
    times.times(&block)
    nil
  rescue RuntimeError => e
    e
  end

  def test_there_may_be_100_000_timers_by_default
    assert_equal 100_000, EM.get_max_timers
  end

  def test_beyond_the_limit_adding_a_timer_raises_and_changes_nothing
    EM.set_max_timers(100)
    fired = 0
    reactor do
      assert_nil repeat(99) { EM.add_timer(0.01) { fired += 1 } }
      error = repeat(3) { EM.add_timer(60) { nil } }
      assert_equal [RuntimeError, RAN_OUT], [error.class, error.message]
      look = lambda do
        next EM.next_tick(look) if fired < 99

        assert_nil repeat(50) { EM.add_timer(60) { nil } }
        EM.stop
      end
      EM.next_tick(look)
    end
    assert_equal 99, fired
  end

  def test_the_limit_is_at_least_100_and_may_only_change_while_no_reactor_runs
    assert_nil EM.set_max_timers(5)
    assert_equal 100, EM.get_max_timers
    assert_nil EM.set_max_timers(250_000)
    assert_equal 250_000, EM.get_max_timers
    reactor do
      error = assert_raises(RuntimeError) { EM.set_max_timers(300) }
      assert_match(/\Aeventmachine already initialized/, error.message)
      EM.stop
    end
    assert_equal 250_000, EM.get_max_timers
  end

  def test_outstanding_timers_are_counted
    counts = []
    reactor do
      before = EM.get_timer_count
      count = -> { counts << (EM.get_timer_count - before) }
      2.times { EM.add_timer(0.01) { nil } }
      count.call
      EM.add_timer(0.03) do
        before = 0
        count.call
        EM.stop
      end
    end
    assert_equal 2, counts.first
    assert_includes [0, 1], counts.last
  end

  def test_100_000_timers_due_at_the_same_time_fire_in_order
    EM.set_max_timers(200_000)
    order = []
    reactor do
      # All of them are added in one turn, so they are due at the same time.
      100_000.times { |i| EM.add_timer(0.05) { order << i } }
      EM.add_timer(0.05) { EM.stop }
    end
    assert_equal 100_000, order.size
    assert_equal order.sort, order
  end

  def test_100_000_timers_may_be_added_and_cancelled_again_and_again
    EM.set_max_timers(200_000)
    at_best(5, attempts: 3) do
      seconds { set_and_cancel_100_000 }
    end
  end

  def set_and_cancel_100_000
    reactor do
      signatures = Array.new(50_000) { |i| EM.add_timer(60 + (i % 1000)) { flunk "fired" } }
      signatures.shuffle(random: Random.new(6)).each { |signature| EM.cancel_timer(signature) }
      50_000.times { EM.cancel_timer(EM.add_timer(30) { flunk "fired" }) }
      EM.add_timer(0) { EM.stop }
    end
  end

  def test_cancelled_timers_release_what_they_referred_to
    references = []
    reactor do
      1000.times do
        object = Object.new
        references << ObjectSpace::WeakMap.new.tap { |map| map[object] = true }
        EM.cancel_timer(EM.add_timer(60) { object })
      end
      EM.add_timer(0.01) do
        GC.start
        EM.stop
      end
    end
    assert_operator references.count { |map| map.size.positive? }, :<, 100
  end
end
