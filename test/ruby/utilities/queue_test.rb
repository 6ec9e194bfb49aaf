# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# EM::Queue: items are delivered in order, each to one callback, whenever and by whichever thread they are pushed.

require "test_helper"
require "objspace"

class QueueTest < ReactorTest
  # Not with compaction: in a run of all tests Ruby 3.1 dies of it, marking a table of its own, in this class and in
  # others.
  repeat_under_gc_pressure except: [/stack|signal|threads/], modes: %w[stress]

  def setup
    @queue = EM::Queue.new
    @got = []
  end

  # For a child that is forked in a callback: items pushed and popped there are delivered in the next turn.
  def push_and_pop_in_child(writer)
    EM.add_timer(5) { exit!(1) }
    @queue.pop { |item| writer.write(item) }
    @queue.pop { |item| writer.write(item) && exit!(0) }
    @queue.push(1, 2)
  end

  # Pops and records the item.
  def note
    @queue.pop { |item| @got << item }
  end

  def test_items_are_delivered_in_order_before_pop_returns
    in_reactor do
      @queue.push(1, 2)
      @queue << 3
      3.times { |i| note && flunk or assert_equal i + 1, @got.size }
    end
    assert_equal [1, 2, 3], @got
  end

  def test_waiting_callbacks_are_served_in_order_before_push_returns
    in_reactor do
      3.times { |i| @queue.pop { |item| @got << [i, item] } }
      assert_equal 3, @queue.num_waiting
      @queue.push(:a, :b)
      assert_equal [[0, :a], [1, :b]], @got
      @queue.push(:c, :d)
    end
    assert_equal [[0, :a], [1, :b], [2, :c]], @got
    assert_equal [1, 0], [@queue.size, @queue.num_waiting]
  end

  def test_a_copy_has_the_same_items_and_is_independent
    in_reactor do
      @queue.push(1, 2)
      copy = @queue.dup
      copy.pop { |item| @got << item }
      assert_equal [2, 1], [@queue.size, copy.size]
    end
    assert_equal [1], @got
  end

  def test_nil_false_and_arrays_are_items
    in_reactor do
      @queue.push(nil, false, [1, 2])
      3.times { @queue.pop(@got.method(:push)) }
      assert_predicate @queue, :empty?
    end
    assert_equal [nil, false, [1, 2]], @got
  end

  def test_pushing_no_items_is_allowed
    in_reactor do
      note
      @queue.push
      assert_equal [0, 1], [@queue.size, @queue.num_waiting]
    end
  end

  def test_push_returns_the_queue_and_pop_nil
    assert_same @queue, @queue.push(1)
    assert_same @queue, @queue << 2
    assert_nil(@queue.pop { :value })
    in_reactor do
      assert_same @queue, @queue.push(1)
      assert_same @queue, @queue << 2
      assert_equal([nil, nil], [@queue.pop { :value }, @queue.pop { :value }])
    end
  end

  def test_pop_accepts_every_kind_of_callback
    in_reactor do
      3.times do # with items, and without
        @queue.push(1, 2, 3)
        @queue.pop(@got, :push)
        @queue.pop(->(item) { @got << item }) { flunk }
        note
      end
    end
    assert_equal [1, 2, 3] * 3, @got
  end

  def test_a_missing_callback_raises_in_the_caller
    [-> { @queue.pop }, -> { @queue.pop(42) }, -> { @queue.pop(nil, :upcase) }].each do |pop|
      assert_raises(ArgumentError, &pop)
      in_reactor do
        @queue.push(1)
        assert_raises(ArgumentError, &pop)
      end
    end
    assert_equal 0, @queue.num_waiting
  end

  def test_calls_before_the_reactor_runs_take_effect_when_it_runs
    @queue.push(1, 2)
    note
    assert_equal [true, 0, 0], [@queue.empty?, @queue.num_waiting, @got.size]
    reactor { EM.next_tick { EM.stop } }
    assert_equal [[1], 1], [@got, @queue.size]
  end

  def test_items_pushed_by_another_thread_arrive_in_the_next_turn
    reactor do
      note
      Thread.new { @queue.push(:item) }.join
      assert_equal [true, 1], [@queue.empty?, @queue.num_waiting]
      EM.next_tick { EM.stop }
    end
    assert_equal [:item], @got
  end

  def test_a_push_from_a_thread_wakes_an_idle_reactor
    reactor do
      @queue.pop { |item| (@got << item << EM.reactor_thread?) && EM.stop }
      Thread.new do
        wait_until_asleep
        @queue.push(:item)
      end
    end
    assert_equal [:item, true], @got
  end

  def test_the_items_of_each_of_many_threads_stay_in_order
    reactor do
      take = ->(item) { (@got << item).size == 4000 ? EM.stop : @queue.pop(take) }
      @queue.pop(take)
      4.times { |i| Thread.new { 1000.times { |n| @queue.push([i, n]) } } }
    end
    assert_equal [(0...1000).to_a] * 4, @got.group_by(&:first).sort.map { |_, items| items.map(&:last) }
  end

  def test_an_array_pushed_by_another_thread_may_be_modified_afterwards
    items = [1, 2]
    @queue.push(*items)
    items.clear
    reactor { EM.next_tick { EM.stop } }
    assert_equal 2, @queue.size
  end

  def test_a_push_by_a_callback_neither_loses_nor_overtakes_items
    in_reactor do
      @queue.pop { |item| (@got << item) && @queue.push(:x1, :x2) }
      3.times { note }
      @queue.push(1, 2)
    end
    assert_equal [1, 2, :x1, :x2], @got
  end

  def test_a_push_by_a_callback_is_served_when_the_callback_has_returned
    in_reactor do
      2.times do
        note
        @queue.pop { |item| [@got << item, @queue.push(:inner), note, @got << :returned] }
        @queue.push(1, 2)
      end
    end
    assert_equal [1, 2, :inner, :returned] * 2, @got
  end

  def test_a_pop_by_a_callback_is_served_at_once
    in_reactor do
      @queue.push(1, 2, 3)
      @queue.pop { |item| [@got << item, note, @got << :returned] }
      note
    end
    assert_equal [1, 2, :returned, 3], @got
  end

  def test_callbacks_that_pop_again_do_not_exhaust_the_stack
    in_reactor do
      @queue.push(*1..20_000)
      by_block = ->(item) { (@got << item) && @queue.pop { |it| by_block.call(it) } }
      @queue.pop { |item| by_block.call(item) }
      assert_equal 20_000, @got.size, "all are handed out before pop returns"
      @queue.push(*20_001..40_000)
    end
    assert_equal (1..40_000).to_a, @got
  end

  def test_the_small_stack_of_a_fiber_is_enough
    in_reactor do
      @queue.push(*1..5000)
      by_block = ->(item) { (@got << item) && @queue.pop { |it| by_block.call(it) } }
      Fiber.new { @queue.pop(by_block) }.resume
    end
    assert_equal (1..5000).to_a, @got
  end

  def test_pop_passes_an_array_to_blocks_and_lambdas_like_call
    by_block = proc { |a, b| @got << [a, b] }
    by_lambda = ->(a, b = :none) { @got << [a, b] }
    in_reactor do
      [by_block, by_lambda].each do |callback|
        @queue.push([1, 2])
        @queue.pop(&callback) # an item is there
        @queue.pop(&callback) # waits for one
        @queue.push([1, 2])
      end
    end
    assert_equal [[1, 2]] * 2 + [[[1, 2], :none]] * 2, @got
  end

  def test_callbacks_that_push_do_not_exhaust_the_stack
    in_reactor do
      take = ->(item) { [@got << item, @queue.pop(take), item < 20_000 && @queue.push(item + 1)] }
      @queue.pop(take)
      @queue.push(1)
    end
    assert_equal (1..20_000).to_a, @got
  end

  def test_an_exception_in_a_callback_reaches_the_caller_of_push_and_loses_no_other_item
    in_reactor do
      @queue.pop { raise "spent" }
      2.times { note }
      assert_equal "spent", assert_raises(RuntimeError) { @queue.push(1, 2, 3) }.message
      assert_equal [[], 2, 2], [@got, @queue.size, @queue.num_waiting]
      @queue.push(4)
      assert_equal [2, 3], @got
      assert_equal 1, @queue.size
    end
  end

  def test_an_exception_in_a_callback_reaches_the_caller_of_pop_if_an_item_was_queued
    in_reactor do
      @queue.push(1, 2)
      assert_raises(RuntimeError) { @queue.pop { raise "spent" } }
      assert_raises(KeyError) { @queue.pop(->(_) { raise KeyError }) }
      assert_predicate @queue, :empty?
      note
      @queue.push(3)
    end
    assert_equal [3], @got
  end

  def test_a_callback_may_be_left_by_break_and_throw
    in_reactor do
      @queue.push(1, 2, 3)
      assert_equal(:left, @queue.pop { break :left })
      assert_equal(:thrown, catch(:out) { @queue.pop { throw :out, :thrown } })
      note
      note
      @queue.push(4)
    end
    assert_equal [3, 4], @got
  end

  def test_a_callback_that_suspends_its_fiber_does_not_block_the_queue
    reactor do
      fiber = Fiber.new { @queue.pop { |item| [@got << item, Fiber.yield, @got << :resumed] } }
      @queue.push(1)
      fiber.resume
      note
      @queue.push(2)
      EM.next_tick { EM.next_tick { [fiber.resume, EM.stop] } }
    end
    assert_equal [1, 2, :resumed], @got
  end

  def test_a_child_forked_by_a_callback_is_served
    answer, writer = IO.pipe
    in_reactor do
      @queue.pop do
        @queue.pop {}
        @queue.push(:waits_for_the_callback)
        Process.wait(EM.fork_reactor { push_and_pop_in_child(writer) })
      end
      @queue.push(:first)
    end
    writer.close
    assert_equal "12", answer.read
  ensure
    answer.close
  end

  def test_a_callback_that_never_returns_does_not_affect_the_next_run
    reactor do
      @queue.push(:held)
      Fiber.new { @queue.pop { Fiber.yield } }.resume
      EM.add_shutdown_hook { [note, @queue.push(1)] }
      EM.stop
    end
    reactor do
      note
      @queue.push(2)
      EM.next_tick { EM.next_tick { EM.stop } }
    end
    assert_equal [1, 2], @got
  end

  def test_a_signal_handler_may_push
    pushed = 0
    previous = trap(:USR1) { @queue.push(pushed += 1) }
    in_reactor do
      2000.times do
        Process.kill(:USR1, Process.pid)
        note
      end
      wait_until { @got.size == pushed }
    end
    assert_equal (1..pushed).to_a, @got
    assert_operator pushed, :>, 0
  ensure
    trap(:USR1, previous || "DEFAULT")
  end

  def test_delivered_items_and_their_callbacks_are_not_kept_in_memory
    in_reactor do
      @queue.push(*Array.new(100) { Object.new })
      100.times { note }
      100.times { note }
      @queue.push(*Array.new(100) { Object.new })
    end
    assert_equal 200, @got.size
    reachable = ObjectSpace.reachable_objects_from(@queue).grep(Array)
    assert_equal [[]], reachable.uniq
    reachable.each { |array| assert_operator ObjectSpace.memsize_of(array), :<, 500 }
  end
end

# Runs once, without pressure on the garbage collector.
class LargeQueueTest < ReactorTest
  self.time_limit = 60

  def test_two_million_items_with_pops_in_between
    queue = EM::Queue.new
    next_item = 0
    out_of_order = 0
    take = ->(item) { item == next_item ? next_item += 1 : out_of_order += 1 }
    reactor do
      2_000_000.times do |i|
        queue.push(i)
        queue.pop(take) if (i % 4).zero?
      end
      assert_equal 1_500_000, queue.size
      1_500_000.times { queue.pop { |item| take.call(item) } }
      EM.stop
    end
    assert_equal [2_000_000, 0, 0], [next_item, out_of_order, queue.size]
    ObjectSpace.reachable_objects_from(queue).grep(Array).each { |it| assert_operator ObjectSpace.memsize_of(it), :<, 1000 }
  end

  def test_the_cost_of_an_item_does_not_grow_with_their_number
    at_best(4 * seconds { push_and_pop(20_000, 10) }) { seconds { push_and_pop(200_000, 1) } }
  end

  def push_and_pop(count, times)
    reactor do
      times.times do
        queue = EM::Queue.new
        count.times { |i| queue.push(i) }
        count.times { queue.push(queue.pop { nil }) && queue.pop { nil } }
      end
      EM.stop
    end
  end
end
