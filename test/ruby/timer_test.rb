# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# One-shot timers: when they fire, in which order, which arguments they take, cancelling. For limits and large numbers
# see timer_limit_test.rb.

require "test_helper"

class TimerTest < ReactorTest
  repeat_under_gc_pressure except: [/late/, /do_not_starve/, /in_order_of_time/, /anything_with_to_f/, /current_time/]

  # Runs a reactor with the block for the given number of seconds.
  def reactor_for(duration)
    reactor do
      EM.add_timer(duration) { EM.stop }
      yield
    end
  end

  def test_timers_fire_in_order_of_time
    order = []
    reactor do
      [0.04, 0.01, 0.03, 0.02].each { |interval| EM.add_timer(interval) { order << interval } }
      EM.add_timer(0.05) { EM.stop }
    end
    assert_equal [0.01, 0.02, 0.03, 0.04], order
  end

  def test_timers_due_at_the_same_time_fire_in_order_of_creation
    order = []
    reactor do
      50.times { |i| EM.add_timer(0.01) { order << i } }
      EM.add_timer(0.01) { EM.stop }
    end
    assert_equal (0...50).to_a, order
  end

  def test_a_timer_is_never_early_nor_very_late
    at_best(0.03) do
      lateness = []
      reactor do
        random = Random.new(5)
        100.times do
          interval = random.rand(200) / 1000.0
          started = now
          EM.add_timer(interval) { (lateness << (now - started - interval)).size == 100 && EM.stop }
        end
      end
      # A timer counts from the loop's time, which is sampled at the beginning of a turn; all are added in one turn.
      assert_operator lateness.min, :>, -0.05
      lateness.sort[50]
    end
  end

  def test_a_timer_fires_once
    fired = 0
    reactor_for(0.05) { EM.add_timer(0.001) { fired += 1 } }
    assert_equal 1, fired
  end

  def test_a_callable_wins_over_the_block
    fired = []
    reactor do
      EM.add_timer(0, -> { (fired << :callable) && EM.stop }) { fired << :block }
    end
    assert_equal [:callable], fired
  end

  def test_without_anything_to_call_nothing_is_scheduled
    reactor do
      before = EM.get_timer_count
      assert_nil EM.add_timer(0)
      assert_nil EM::Timer.new(0).cancel
      assert_equal before, EM.get_timer_count
      EM.stop
    end
  end

  def test_something_that_cannot_be_called_fails_when_it_is_due
    added = false
    assert_raises(NoMethodError) do
      reactor do
        EM.add_timer(0.01, "not callable")
        added = true
      end
    end
    assert added
  end

  def test_intervals_may_be_anything_with_to_f
    fired = []
    reactor do
      { "0.02" => :string, nil => :nil, 0.01r => :rational, 0 => :integer }.each do |interval, name|
        EM.add_timer(interval) { fired << name }
      end
      EM.add_timer(0.04) { EM.stop }
    end
    assert_equal %i[nil integer rational string], fired
  end

  def test_negative_intervals_are_due_at_once_and_before_zero
    order = []
    reactor do
      EM.add_timer(0) { order << :zero }
      EM.add_timer(-1) { order << :negative }
      EM.add_timer(0.01) { EM.stop }
    end
    assert_equal %i[negative zero], order
  end

  def test_infinite_intervals_and_those_that_are_not_numbers_are_refused
    reactor do
      [Float::NAN, Float::INFINITY, -Float::INFINITY].each do |interval|
        assert_raises(FloatDomainError) { EM.add_timer(interval) { flunk "fired" } }
      end
      assert_raises(NoMethodError) { EM.add_timer(Object.new) { flunk "fired" } }
      EM.add_timer(0.01) { EM.stop }
    end
  end

  def test_timers_with_intervals_of_years_do_not_fire_now
    fired = []
    reactor_for(0.02) do
      [86_400 * 365 * 100, 2.0**33, 2.0**53, 1e15, 1e17, 1e19, 1e300].each do |interval|
        EM.add_timer(interval) { fired << interval }
      rescue FloatDomainError, RangeError
        assert_operator interval, :>, 1e15
      end
    end
    assert_empty fired
  end

  def test_a_timer_added_by_a_timer_waits_for_the_next_turn
    order = []
    reactor do
      EM.add_timer(0) do
        EM.add_timer(0) { (order << :second) && EM.stop }
        order << :first
      end
      EM.add_timer(0) { order << :same_turn }
    end
    assert_equal %i[first same_turn second], order
  end

  def test_timers_that_add_timers_do_not_starve_others
    fired = ticks = 0
    conversation = nil
    reactor do
      again = -> { (fired += 1) && EM.add_timer(0, again) }
      tick = -> { (ticks += 1) && EM.next_tick(tick) }
      again.call
      tick.call
      conversation = talk(port_of(EM.start_server("127.0.0.1", 0, Echo))) do |socket|
        Array.new(100) { socket.write("x") && socket.read(1) }.join
      end
    end
    assert_equal "x" * 100, conversation.value
    assert_operator [fired, ticks].min, :>, 100
  end

  def test_a_long_quantum_does_not_make_timers_late
    at_best(0.1) do
      late = nil
      reactor do
        EM.set_quantum(60_000)
        started = now
        EM.add_timer(0.02) { (late = now - started - 0.02) && EM.stop }
      end
      late
    end
  end

  def test_the_signature_is_an_integer
    reactor do
      signatures = Array.new(2) { EM.add_timer(1) { nil } }
      assert_equal [Integer, Integer, true], signatures.map(&:class) << (signatures[0] < signatures[1])
      EM.stop
    end
  end

  def test_a_cancelled_timer_does_not_fire
    fired = []
    results = nil
    reactor_for(0.03) do
      signature = EM.add_timer(0.01) { fired << :cancelled }
      EM.add_timer(0.01) { fired << :other }
      results = [EM.cancel_timer(signature), EM.cancel_timer(signature)]
    end
    assert_equal [:other], fired
    assert_equal false, results.first
    assert_includes [false, nil], results.last
  end

  def test_cancelling_what_is_unknown_or_has_fired_returns_nil
    results = nil
    reactor do
      fired = EM.add_timer(0) { nil }
      EM.add_timer(0.01) { (results = [fired, 123_456_789, nil].map { |it| EM.cancel_timer(it) }) && EM.stop }
    end
    assert_equal [nil, nil, nil], results
  end

  def test_a_timer_may_cancel_another_one_that_is_due_with_it_and_itself
    fired = []
    reactor_for(0.03) do
      second = first = nil
      first = EM.add_timer(0.01) { fired << [EM.cancel_timer(first), EM.cancel_timer(second)] }
      second = EM.add_timer(0.01) { fired << :second }
    end
    assert_equal [[nil, false]], fired
  end

  def test_objects_with_cancel_cancel_themselves
    own = Struct.new(:result) { def cancel = result }
    reactor do
      assert_equal :done, EM.cancel_timer(own.new(:done))
      EM.stop
    end
  end

  def test_timer_objects_fire_and_cancel
    fired = []
    reactor_for(0.04) do
      EM::Timer.new(0.01) { fired << :block }
      EM::Timer.new(0.02, -> { fired << :callable })
      assert_equal false, EM::Timer.new(0.01) { fired << :cancelled }.cancel
      assert_equal false, EM.cancel_timer(EM::Timer.new(0.01) { fired << :cancelled })
    end
    assert_equal %i[block callable], fired
  end

  def test_programs_need_not_keep_a_reference_to_a_timer
    fired = 0
    reactor do
      20.times { |i| EM.add_timer(0.02) { "#{fired += 1} #{i}" } }
      EM.add_timer(0.02) { EM.stop }
      GC.start
    end
    assert_equal 20, fired
  end

  def test_current_time_stands_still_within_a_turn_and_goes_on_between_turns
    times = []
    reactor do
      2.times { times << EM.current_time && sleep(0.005) }
      EM.add_timer(0.02) { (times << EM.current_time) && EM.stop }
    end
    assert_kind_of Time, times.first
    assert_equal times[0], times[1]
    assert_operator times[2] - times[0], :>, 0.015
  end
end
