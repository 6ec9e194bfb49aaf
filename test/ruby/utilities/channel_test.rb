# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# EM::Channel: each item is delivered to all current subscribers.

require "test_helper"
require "objspace"

class ChannelTest < ReactorTest
  def setup
    @channel = EM::Channel.new
    @got = []
  end

  # Subscribes and records the items under a name.
  def note(name)
    @channel.subscribe { |item| @got << [name, item] }
  end

  def test_every_subscriber_gets_every_item_in_order_before_push_returns
    in_reactor do
      %i[a b].each { |name| note(name) }
      @channel.push(1, 2)
      @channel << 3
      assert_equal [[:a, 1], [:b, 1], [:a, 2], [:b, 2], [:a, 3], [:b, 3]], @got
    end
  end

  def test_ids_count_from_one
    assert_equal [1, 2, 3], [note(:a), @channel.pop { nil }, note(:b)]
    in_reactor { assert_equal [4, 5], [note(:c), @channel.pop { nil }] }
  end

  def test_nil_false_and_arrays_are_single_items
    in_reactor do
      @channel.subscribe(@got.method(:push))
      @channel.push(nil, false, [1, 2])
    end
    assert_equal [nil, false, [1, 2]], @got
  end

  def test_push_returns_the_items_on_the_reactor_thread_and_nil_elsewhere
    assert_nil @channel.push(1)
    in_reactor do
      assert_equal [[1, 2], [3], []], [@channel.push(1, 2), @channel << 3, @channel.push]
      assert_equal [nil, nil], Thread.new { [@channel.push(1), @channel << 2] }.value
    end
  end

  def test_items_without_subscribers_are_dropped
    in_reactor do
      @channel.push(1)
      note(:late)
    end
    assert_empty @got
  end

  def test_subscribe_and_pop_accept_every_kind_of_callback
    list = []
    in_reactor do
      %i[subscribe pop].each do |way|
        @channel.public_send(way, list, :push)
        @channel.public_send(way, ->(item) { list << item }) { flunk }
        @channel.public_send(way) { |item| list << item }
      end
      @channel.push(1)
    end
    assert_equal [1] * 6, list
  end

  def test_a_missing_callback_raises_in_the_caller
    wrong = [-> { @channel.subscribe }, -> { @channel.subscribe(42) }, -> { @channel.pop }, -> { @channel.pop(42) }]
    wrong.each { |call| assert_raises(ArgumentError, &call) }
    in_reactor { wrong.each { |call| assert_raises(ArgumentError, &call) } }
    assert_equal 0, @channel.num_subscribers
  end

  def test_unsubscribe_returns_the_callback_and_ignores_unknown_ids
    in_reactor do
      callback = ->(item) { @got << item }
      id = @channel.subscribe(callback)
      assert_same callback, @channel.unsubscribe(id)
      assert_equal [nil, nil, nil], [id, 99, nil].map { |it| @channel.unsubscribe(it) }
      @channel.push(1)
    end
    assert_empty @got
  end

  def test_a_subscriber_removed_during_an_item_gets_that_item_but_not_the_next
    in_reactor do
      ids = []
      @channel.subscribe { ids.each { |id| @channel.unsubscribe(id) } }
      ids << note(:removed)
      note(:neighbour)
      @channel.push(1, 2)
    end
    assert_equal [[:removed, 1], [:neighbour, 1], [:neighbour, 2]], @got
  end

  def test_a_subscriber_added_during_an_item_gets_the_next_one
    in_reactor do
      first = @channel.subscribe { @channel.unsubscribe(first) && note(:added) }
      @channel.push(1, 2)
    end
    assert_equal [[:added, 2]], @got
  end

  def test_subscribers_may_unsubscribe_themselves
    in_reactor do
      5.times do |i|
        id = @channel.subscribe { |item| (@got << [i, item]) && @channel.unsubscribe(id) }
      end
      @channel.push(1, 2)
      assert_equal 0, @channel.num_subscribers
    end
    assert_equal Array.new(5) { |i| [i, 1] }, @got
  end

  def test_a_push_by_a_subscriber_is_delivered_at_once
    in_reactor do
      @channel.subscribe { |item| @channel.push(:inner) if item == :outer }
      note(:other)
      @channel.push(:outer)
    end
    assert_equal [%i[other inner], %i[other outer]], @got
  end

  def test_pop_gets_the_next_item_only
    in_reactor do
      @channel.push(0)
      @channel.pop { |item| @got << item }
      assert_equal 1, @channel.num_subscribers
      @channel.push(1, 2)
      assert_equal 0, @channel.num_subscribers
    end
    assert_equal [1], @got
  end

  def test_a_pop_within_a_pop_gets_the_following_item
    in_reactor do
      @channel.pop { |item| (@got << item) && @channel.pop { |it| @got << it } }
      @channel.push(1, 2, 3)
    end
    assert_equal [1, 2], @got
  end

  def test_a_pop_has_ended_when_its_callback_runs
    in_reactor do
      @channel.pop { |item| (@got << item << @channel.num_subscribers) && item < 2 && @channel.push(item + 1) }
      @channel.push(1)
    end
    assert_equal [1, 0], @got
  end

  def test_a_pop_gets_one_item_even_if_a_subscriber_before_it_pushes_another
    in_reactor do
      @channel.subscribe { |item| @channel.push(:inner) if item == :outer }
      @channel.pop { |item| @got << item }
      @channel.push(:outer)
    end
    assert_equal [:inner], @got
  end

  def test_a_pop_can_be_cancelled
    in_reactor do
      assert_respond_to @channel.unsubscribe(@channel.pop { |item| @got << item }), :call
      @channel.push(1)
    end
    assert_empty @got
  end

  def test_an_exception_ends_only_the_push_that_caused_it
    in_reactor do
      note(:before)
      @channel.subscribe { |item| raise "wrong" if item == 1 }
      note(:behind)
      assert_raises(RuntimeError) { @channel.push(1, 2) }
      assert_equal [[:before, 1]], @got
      @channel.push(3)
    end
    assert_equal [[:before, 1], [:before, 3], [:behind, 3]], @got
  end

  def test_calls_by_another_thread_take_effect_in_order_in_the_next_turn
    reactor do
      Thread.new do
        note(:a)
        gone = note(:gone)
        @channel.push(1)
        @channel.unsubscribe(gone)
        @channel.pop { |item| @got << [:pop, item] }
        @channel.push(2)
      end.join
      assert_equal [0, []], [@channel.num_subscribers, @got]
      EM.next_tick { EM.stop }
    end
    assert_equal [[:a, 1], [:gone, 1], [:a, 2], [:pop, 2]], @got
  end

  def test_calls_before_the_reactor_runs_take_effect_when_it_runs
    note(:a)
    @channel.push(1)
    assert_equal [0, []], [@channel.num_subscribers, @got]
    reactor { EM.next_tick { EM.stop } }
    assert_equal [[:a, 1]], @got
  end

  def test_a_push_from_a_thread_wakes_an_idle_reactor
    reactor do
      @channel.subscribe { |item| (@got << item << EM.reactor_thread?) && EM.stop }
      Thread.new do
        wait_until_asleep
        @channel.push(:item)
      end
    end
    assert_equal [:item, true], @got
  end

  def test_an_array_pushed_by_another_thread_may_be_modified_afterwards
    items = [1, 2]
    note(:a)
    @channel.push(*items)
    items.clear
    reactor { EM.next_tick { EM.stop } }
    assert_equal [[:a, 1], [:a, 2]], @got
  end

  def test_threads_get_different_ids
    reactor do
      threads = Array.new(8) { Thread.new { Array.new(50) { Thread.pass || note(:a) } } }
      assert_equal (1..400).to_a, threads.flat_map(&:value).sort
      EM.next_tick do
        assert_equal 400, @channel.num_subscribers
        EM.stop
      end
    end
  end

  def test_unsubscribed_callbacks_are_not_kept_in_memory
    subscriber = Class.new { def call(_) = nil }
    in_reactor do
      Thread.new do # has a stack of its own, where nothing is found later
        2000.times { @channel.subscribe(subscriber.new) }
        EM.next_tick { @channel.push(1) }
      end.join
      EM.run_deferred_callbacks
      assert_equal 2000, @channel.num_subscribers
      Thread.new { 2000.times { |i| @channel.unsubscribe(i + 1) } }.join
      EM.run_deferred_callbacks
      GC.start
      assert_operator ObjectSpace.each_object(subscriber).count, :<, 20
    end
  end
end

# Runs once, without pressure on the garbage collector.
class LargeChannelTest < ReactorTest
  self.time_limit = 60

  def test_ten_thousand_subscribers_subscribe_and_unsubscribe
    channel = EM::Channel.new
    count = 0
    reactor do
      ids = Array.new(10_000) { channel.subscribe { count += 1 } }
      channel.push(*1..50)
      2000.times { ids << channel.subscribe { count += 1 } }
      ids.each { |id| channel.unsubscribe(id) }
      EM.stop
    end
    assert_equal [500_000, 0], [count, channel.num_subscribers]
  end

  def test_the_cost_of_unsubscribing_does_not_grow_with_the_number_of_subscribers
    at_best(5 * seconds { come_and_go(50, 400) }) { seconds { come_and_go(20_000, 1) } }
  end

  def come_and_go(count, times)
    reactor do
      times.times do
        channel = EM::Channel.new
        Array.new(count) { channel.subscribe { nil } }.reverse_each { |id| channel.unsubscribe(id) }
      end
      EM.stop
    end
  end
end
