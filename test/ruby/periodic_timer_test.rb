# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# Periodic timers: their interval, changing it, cancelling.

require "test_helper"

class PeriodicTimerTest < ReactorTest
  repeat_under_gc_pressure except: [/first_fires/, /interval_counts/, /may_be_changed/, /does_not_starve/], full: true

  def test_it_fires_until_it_is_cancelled_and_cancel_returns_true
    fired = 0
    results = []
    reactor do
      timer = EM.add_periodic_timer(0.005) { results << timer.cancel if (fired += 1) == 3 }
      as_soon_as(-> { results.any? }) { EM.add_timer(0.03) { EM.stop } }
    end
    assert_equal [3, [true]], [fired, results]
  end

  def test_nothing_to_call_is_refused_at_once_and_schedules_nothing
    reactor do
      before = EM.get_timer_count
      assert_raises(ArgumentError) { EM.add_periodic_timer(0) }
      assert_raises(ArgumentError) { EM::PeriodicTimer.new(0, nil) }
      [42, "text", :symbol].each do |object|
        error = assert_raises(ArgumentError) { EM.add_periodic_timer(0, object) }
        assert_equal "no proc or block given", error.message
      end
      assert_equal before, EM.get_timer_count
      EM.stop
    end
  end

  def test_it_may_be_cancelled_from_outside_before_it_fires
    fired = 0
    reactor do
      timers = Array.new(2) { EM::PeriodicTimer.new(0.01) { fired += 1 } }
      assert_equal [true, true], [timers[0].cancel, EM.cancel_timer(timers[1])]
      EM.add_timer(0.03) { EM.stop }
    end
    assert_equal 0, fired
  end

  def test_it_first_fires_after_one_interval
    at_best(0.09) do
      first = nil
      reactor do
        started = now
        EM.add_periodic_timer(0.05) { (first = now - started) && EM.stop }
      end
      assert_operator first, :>, 0.048
      first
    end
  end

  def test_the_interval_counts_from_the_end_of_the_last_call
    starts = []
    reactor do
      EM.add_periodic_timer(0.03) do
        starts << now
        sleep 0.03
        EM.stop if starts.size == 4
      end
    end
    # The interval counts from the loop's time, which may be that at the beginning of the call.
    assert_operator starts.each_cons(2).map { |one, other| other - one }.min, :>, 0.029
    assert_operator starts.last - starts.first, :>, 0.1
  end

  def test_it_may_be_given_a_callable_or_a_block
    fired = []
    reactor do
      EM.add_periodic_timer(0.005, -> { fired << :callable })
      EM.add_periodic_timer(0.005) { fired << :block }
      EM::PeriodicTimer.new(0.005, -> { fired << :object })
      as_soon_as(-> { fired.uniq.size == 3 }) { EM.stop }
    end
    assert_equal %i[block callable object], fired.uniq.sort
  end

  def test_add_periodic_timer_returns_the_object_which_knows_its_interval
    reactor do
      timer = EM.add_periodic_timer(1.5) { nil }
      assert_instance_of EM::PeriodicTimer, timer
      assert_equal 1.5, timer.interval
      EM.stop
    end
  end

  def test_the_interval_may_be_changed
    times = []
    reactor do
      timer = EM.add_periodic_timer(0.01) do
        times << now
        timer.interval = 0.06
        EM.stop if times.size == 3
      end
    end
    assert_operator times[2] - times[1], :>, 0.055
    assert_operator times[1] - times[0], :>, 0.055
  end

  def test_interval_0_fires_once_per_turn_and_does_not_starve_others
    fired = ticks = 0
    conversation = nil
    reactor do
      EM.add_periodic_timer(0) { fired += 1 }
      tick = -> { (ticks += 1) && EM.next_tick(tick) }
      tick.call
      conversation = talk(port_of(EM.start_server("127.0.0.1", 0, Echo))) { |it| it.write("x") && it.read(1) }
    end
    assert_equal "x", conversation.value
    # The kernel's clock may stand still from one turn to the next, and then nothing is due.
    assert_includes (ticks / 4)..(ticks + 5), fired
  end

  def test_programs_need_not_keep_a_reference_to_it
    fired = 0
    reactor do
      EM.add_periodic_timer(0.002) { EM.stop if (fired += 1) == 5 }
      GC.start
    end
    assert_equal 5, fired
  end
end
