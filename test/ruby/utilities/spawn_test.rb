# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "test_helper"

class SpawnTest < ReactorTest
  # Runs the reactor until nothing more is to be done in its next turns.
  def crank
    reactor do
      yield if block_given?
      EM.add_timer(0.01) { EM.stop }
    end
  end

  def test_the_block_runs_in_the_next_turn_with_the_arguments
    got = []
    crank do
      assert_nil EM.spawn { |*arguments| got << arguments }.notify(1, 2)
      assert_empty got
    end
    assert_equal [[1, 2]], got
  end

  def test_it_may_be_notified_before_the_reactor_runs_and_by_other_names
    got = []
    process = EM.spawn { |x| got << x }
    process.notify(1)
    process.resume(2)
    process.run(3)
    crank
    assert_equal [1, 2, 3], got
  end

  def test_notifications_of_all_processes_keep_their_order
    got = []
    one = EM.spawn { |x| got << [:one, x] }
    two = EM.spawn { |x| got << [:two, x] }
    crank { 3.times { |i| [one, two].each { |process| process.notify(i) } } }
    assert_equal (0..2).flat_map { |i| [[:one, i], [:two, i]] }, got
  end

  def test_self_is_the_process_and_locals_are_kept
    count = 0
    seen = nil
    process = EM.spawn do
      seen = self
      count += 1
      notify if count < 5
    end
    crank { process.notify }
    assert_same process, seen
    assert_equal 5, count
  end

  def test_arguments_are_as_strict_as_a_lambdas
    assert_raises(ArgumentError) { reactor { EM.spawn { |a, b| [a, b] }.notify(1) } }
  end

  def test_next_and_return_end_the_block_only
    got = []
    crank do
      EM.spawn { next got << :next }.notify
      EM.spawn { return got << :return }.notify
    end
    assert_equal %i[next return], got
  end

  def test_yield_replaces_the_block
    got = []
    process = EM.spawn do |x|
      got << [:first, x]
      EM.yield do |y|
        got << [:second, y]
        EM.yield { |z| got << [:third, z] }
      end
    end
    crank { 4.times { |i| process.notify(i) } }
    assert_equal [[:first, 0], [:second, 1], [:third, 2], [:third, 3]], got
  end

  def test_yield_and_notify_runs_the_new_block_without_arguments
    got = []
    process = EM.spawn do |x|
      got << x
      EM.yield_and_notify do |*rest|
        got << rest
        EM.yield_and_notify { got << :last }
      end
    end
    crank { process.notify(:first) }
    assert_equal [:first, [], :last], got
  end

  def test_a_yield_that_is_not_the_blocks_value_does_nothing
    got = []
    process = EM.spawn do
      EM.yield { got << :other }
      got << :same
      nil
    end
    crank { 2.times { process.notify } }
    assert_equal %i[same same], got
  end

  def test_call_runs_the_block_here_and_now
    process = EM.spawn { |x| x * 2 }
    assert_equal 6, process.call(3)
    process.set_receiver(->(x) { x * 3 })
    assert_equal 9, process.call(3)
  end

  def test_what_has_no_block_is_a_type_error
    assert_raises(TypeError) { EM.spawn }
    assert_raises(TypeError) { EM.yield }
    assert_raises(TypeError) { EM.yield_and_notify }
  end

  def test_other_threads_may_notify
    got = nil
    reactor do
      process = EM.spawn do |x|
        got = x
        EM.stop
      end
      Thread.new { process.notify(:from_a_thread) }.join
    end
    assert_equal :from_a_thread, got
  end
end
