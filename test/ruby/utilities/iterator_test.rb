# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# EM::Iterator: items start in order, never more at a time than allowed, and the end is reported once.

require "test_helper"
require "set"

class IteratorTest < ReactorTest
  Stop = EM::Iterator::Stop

  def setup
    @log = []
  end

  # Records the items, finishes each in the next tick, and stops the reactor at the end.
  def run_through(list, *concurrency)
    reactor do
      foreach = ->(item, turn) { (@log << item) && EM.next_tick(turn) }
      EM::Iterator.new(list, *concurrency).each(foreach, -> { (@log << :after) && EM.stop })
    end
    @log
  end

  # Counts the turns of the reactor while the block's work is in progress.
  def in_turns(count, &block)
    reactor do
      turn = 0
      block.call
      tick = -> { (@log << :"turn#{turn += 1}") && (turn < count ? EM.next_tick(tick) : EM.stop) }
      EM.next_tick(tick)
    end
    @log
  end

  def in_tick(number, &block)
    number.zero? ? block.call : EM.next_tick { in_tick(number - 1, &block) }
  end

  def note_and_go_on
    ->(item, turn) { (@log << item) && turn.next }
  end

  def test_items_are_processed_one_at_a_time_by_default
    most = under_way = 0
    reactor do
      iterator = EM::Iterator.new(1..5)
      assert_equal 1, iterator.concurrency
      foreach = lambda do |item, turn|
        most = [most, under_way += 1].max
        @log << item
        EM.next_tick { (under_way -= 1) && turn.next }
      end
      iterator.each(foreach, -> { EM.stop })
    end
    assert_equal [[1, 2, 3, 4, 5], 1], [@log, most]
  end

  def test_every_object_with_to_a_is_a_list
    { [1, 2] => [1, 2], { a: 1 } => [[:a, 1]], (1..3) => [1, 2, 3], nil => [], [nil, false] => [nil, false],
      [1, Stop, 2] => [1], Set.new([1]) => [1] }.each do |list, items|
      @log.clear
      assert_equal items + [:after], run_through(list)
    end
  end

  def test_a_source_is_called_for_each_item_until_it_returns_stop
    asked = 0
    source = -> { [1, nil, false, Stop].fetch((asked += 1) - 1) }
    assert_equal [1, nil, false, :after], run_through(source, 3)
    assert_equal 4, asked
  end

  def test_an_invalid_list_is_an_argument_error
    ["text", 42, Object.new].each do |list|
      error = assert_raises(ArgumentError) { EM::Iterator.new(list) }
      assert_equal "argument must be a proc or an array", error.message
    end
  end

  def test_a_concurrency_that_is_not_above_zero_is_an_argument_error
    [0, -1, nil, "1"].each do |number|
      error = assert_raises(ArgumentError) { EM::Iterator.new([1], number) }
      assert_equal "concurrency must be bigger than zero", error.message
    end
    assert_raises(ArgumentError) { EM::Iterator.new([1]).concurrency = nil }
  end

  def test_the_list_is_copied
    list = [1, 2, 3]
    reactor do
      EM::Iterator.new(list).each(note_and_go_on, -> { EM.stop })
      list.clear
    end
    assert_equal [1, 2, 3], @log
    run_through(list = [4, 5])
    assert_equal [4, 5], list
  end

  def test_each_takes_a_block_or_a_callable_first
    reactor do
      iterator = EM::Iterator.new([1])
      assert_same(iterator, iterator.each { |item, turn| (@log << item) && turn.next })
      EM::Iterator.new([2]).each(note_and_go_on) { flunk }
      EM::Iterator.new([3]).each(nil, -> { EM.stop }) { |item, turn| (@log << item) && turn.next }
    end
    assert_equal [1, 2, 3], @log
  end

  def test_without_a_callback_nothing_is_started
    iterator = EM::Iterator.new([1])
    [[], [nil], [42]].each do |arguments|
      error = assert_raises(ArgumentError) { iterator.each(*arguments) }
      assert_equal "proc or block required for iteration", error.message
    end
    [[note_and_go_on, 42], [nil, note_and_go_on], [note_and_go_on, nil]].each do |arguments|
      assert_raises(ArgumentError) { iterator.map(*arguments) }
      assert_raises(ArgumentError) { iterator.inject(0, *arguments) }
    end
    assert_raises(ArgumentError) { iterator.each(note_and_go_on, 42) }
    reactor { iterator.each(note_and_go_on, -> { EM.stop }) }
    assert_equal [1], @log
  end

  def test_it_can_be_used_once
    ways = [->(it) { it.each(note_and_go_on) }, ->(it) { it.map(note_and_go_on, -> {}) },
            ->(it) { it.inject(0, note_and_go_on, -> {}) }]
    ways.product(ways) do |first, second|
      iterator = EM::Iterator.new([])
      assert_same iterator, first.call(iterator)
      error = assert_raises(RuntimeError) { second.call(iterator) }
      assert_equal "cannot iterate over an iterator more than once", error.message
    end
  end

  def test_one_worker_starts_per_turn_and_takes_one_item_per_turn
    in_turns(4) { EM::Iterator.new(1..6, 3).each(note_and_go_on, -> { @log << :after }) }
    turns = @log.slice_when { |a, _| a.to_s.start_with?("turn") }.map { |turn| turn.grep(Integer).size }
    assert_equal [1, 2, 3, 0], turns
    assert_equal [1, 2, 3, 4, 5, 6], @log.grep(Integer)
    assert_equal 1, @log.count(:after)
  end

  def test_nothing_is_called_before_the_next_turn
    in_turns(2) do
      EM::Iterator.new([1]).each(note_and_go_on, -> { @log << :after })
      EM::Iterator.new([]).each(note_and_go_on, -> { @log << :empty })
      @log << :begun
    end
    assert_equal [:begun, 1, :empty, :turn1, :after, :turn2], @log
  end

  def test_an_iteration_started_before_the_reactor_waits_for_it
    EM::Iterator.new([1, 2]).each(note_and_go_on, -> { EM.stop })
    assert_empty @log
    reactor { nil }
    assert_equal [1, 2], @log
  end

  def test_no_more_items_are_in_progress_than_allowed
    [[1, 20], [3, 20], [20, 3], [7, 200]].each do |concurrency, count|
      random = Random.new(concurrency)
      under_way = []
      most = 0
      reactor do
        foreach = lambda do |item, turn|
          most = [most, under_way.push(item).size].max
          finish = -> { under_way.delete(item) && turn.next }
          random.rand(3).zero? ? finish.call : EM.next_tick { random.rand(2).zero? ? finish.call : EM.next_tick(finish) }
        end
        EM::Iterator.new(1..count, concurrency).each(foreach, -> { (@log << under_way.dup) && EM.stop })
      end
      assert_operator most, :<=, concurrency
    end
    assert_equal [[]] * 4, @log
  end

  def test_more_workers_may_be_added_while_it_runs
    waiting = []
    iterator = EM::Iterator.new(1..10)
    in_turns(8) do
      iterator.each(->(item, turn) { (@log << item) && waiting << turn }, -> { @log << :after })
      EM.next_tick { EM.next_tick { 2.times { iterator.concurrency = 3 } } }
    end
    assert_equal [1, 2, 3], @log.grep(Integer)
    assert_equal [3, 3], [waiting.size, iterator.concurrency]
  end

  def test_fewer_workers_remain_as_items_are_finished
    turns = []
    iterator = EM::Iterator.new(1..20, 4)
    finish_all = -> { turns.slice!(0..).each(&:next) }
    in_turns(14) do
      iterator.each(->(item, turn) { (@log << item) && turns << turn })
      in_tick(6) { (iterator.concurrency = 2) && finish_all.call }
      in_tick(9) { finish_all.call }
    end
    assert_equal [[1, 2, 3, 4, 5, 6, 7, 8], 2], [@log.grep(Integer), turns.size]
  end

  def test_a_concurrency_of_zero_pauses_the_iteration
    iterator = EM::Iterator.new(1..6, 2)
    foreach = lambda do |item, turn|
      @log << item
      iterator.concurrency = 0 if item == 3
      turn.next
    end
    in_turns(12) do
      iterator.each(foreach, -> { @log << :after })
      in_tick(6) { (@log << :raised) && iterator.concurrency = 1 }
    end
    before, after = @log.grep_v(/turn/).slice_before(:raised).to_a
    assert_equal [[1, 2, 3], [:raised, 4, 5, 6, :after]], [before, after]
  end

  def test_a_turn_of_each_can_be_finished_once
    reactor do
      EM::Iterator.new([1]).each do |_, turn|
        assert_nil turn.next
        [-> { turn.next }, turn].each do |again|
          error = assert_raises(RuntimeError) { again.call }
          assert_equal "already completed this iteration", error.message
        end
        EM.stop
      end
    end
  end

  def test_a_turn_can_be_passed_as_a_callback
    ways = [->(turn) { turn.call }, ->(turn) { EM.next_tick(&turn) }, ->(turn) { EM.defer(-> { :result }, turn) },
            ->(turn) { EM::DefaultDeferrable.new.callback(&turn).succeed(1, 2) }, ->(turn) { turn.next(1, 2) }]
    reactor { EM::Iterator.new(ways).each(->(way, turn) { (@log << :way) && way.call(turn) }, -> { EM.stop }) }
    assert_equal [:way] * 5, @log
  end

  def test_a_callback_can_return_the_result
    ways = [->(turn) { turn.call(1) }, ->(turn) { EM.defer(-> { 1 }, turn) }, ->(turn) { turn.return(1) },
            ->(turn) { EM::DefaultDeferrable.new.callback(&turn).succeed(1, 2) }, ->(turn) { turn.return }]
    reactor do
      EM::Iterator.new(ways).map(->(way, turn) { way.call(turn) }, ->(results) { (@log = results) && EM.stop })
    end
    assert_equal [1, 1, 1, 1, nil], @log
  end

  def test_an_exception_leaves_the_reactor_and_ends_its_worker_only
    EM.error_handler { |error| @log << error.message }
    in_turns(8) do
      foreach = ->(item, turn) { item == 1 ? raise("first") : note_and_go_on.call(item, turn) }
      EM::Iterator.new(1..4, 2).each(foreach, -> { @log << :after })
    end
    assert_equal ["first", 2, 3, 4], @log.grep_v(/turn/)
    EM.error_handler
    assert_raises(KeyError) { reactor { EM::Iterator.new([1]).each { raise KeyError } } }
    assert_raises(KeyError) { reactor { EM::Iterator.new(-> { raise KeyError }).each { flunk } } }
  end

  def test_after_is_called_although_the_source_raises
    errors = []
    items = [1, RuntimeError.new("no item"), 2, 3, Stop]
    source = -> { (item = items.shift).is_a?(Exception) ? raise(item) : item || Stop }
    EM.error_handler { |error| errors << error.message }
    assert_equal [1, 2, 3, :after], run_through(source, 2)
    assert_equal ["no item"], errors
  ensure
    EM.error_handler
  end

  def test_after_is_not_called_if_an_item_is_never_finished
    in_turns(10) { EM::Iterator.new(1..4, 2).each(->(item, turn) { item == 2 ? @log << :lost : turn.next }, -> { flunk }) }
    assert_includes @log, :lost
  end

  def test_map_gives_the_results_in_the_order_of_the_list
    [1, 2, 3, 10].each do |concurrency|
      result = nil
      reactor do
        foreach = lambda do |item, turn|
          @log << item
          item.odd? ? turn.return(item * 10) : EM.next_tick { EM.next_tick { turn.return(item * 10) } }
        end
        EM::Iterator.new(1..5, concurrency).map(foreach, ->(all) { (result = all) && EM.stop })
      end
      assert_equal [10, 20, 30, 40, 50], result
    end
    assert_equal [1, 2, 3, 4, 5] * 4, @log
  end

  def test_map_of_nothing_is_empty
    reactor { EM::Iterator.new([]).map(->(*) { flunk }, ->(all) { (@log << all) && EM.stop }) }
    assert_equal [[]], @log
  end

  def test_inject_passes_on_the_accumulated_value
    reactor do
      finish = ->(sum) { (@log << sum).size == 3 && EM.stop }
      add = ->(sum, item, turn) { EM.next_tick { turn.return(sum + item) } }
      append = ->(all, item, turn) { turn.return(all << item) }
      EM::Iterator.new(1..5).inject(100, add, finish)
      EM::Iterator.new([]).inject(:none, add, finish)
      EM::Iterator.new(1..5, 3).inject([], append, finish)
    end
    assert_equal Set[115, :none, [1, 2, 3, 4, 5]], @log.to_set
  end

  def test_inject_starts_items_that_overlap_from_the_same_value
    reactor do
      turns = []
      foreach = lambda do |sum, item, turn|
        turns << -> { turn.return(sum + item) }
        turns.each(&:call) if turns.size == 2
      end
      EM::Iterator.new([1, 2], 2).inject(0, foreach, ->(sum) { (@log << sum) && EM.stop })
    end
    assert_equal [2], @log
  end

  def test_a_result_can_be_returned_once_and_there_is_no_next
    check = lambda do |name, turn|
      error = assert_raises(NoMethodError) { turn.next }
      assert_equal "must call #return on #{name} iterator", error.message.lines.first.chomp
      assert_nil turn.return(1)
      error = assert_raises(RuntimeError) { turn.return(2) }
      assert_equal "already returned a value for this iteration", error.message
    end
    reactor do
      EM::Iterator.new([1]).map(->(_, turn) { check.call("a map", turn) }, ->(all) { @log << all })
      EM::Iterator.new([1]).inject(0, ->(_, _, turn) { check.call("an inject", turn) }, ->(sum) { (@log << sum) && EM.stop })
    end
    assert_equal [[1], 1], @log
  end

  def test_twenty_thousand_items_that_finish_at_once_use_no_stack
    depths = []
    reactor do
      foreach = lambda do |item, turn|
        depths << caller.size if (item % 1000).zero?
        turn.next
      end
      EM::Iterator.new(1..20_000, 10).each(foreach, -> { EM.stop })
    end
    assert_equal 20, depths.size
    assert_operator depths.uniq.size, :<=, 2, "a worker that starts has one frame more"
  end
end

# Runs once, without pressure on the garbage collector.
class LargeIteratorTest < ReactorTest
  self.time_limit = 60

  def test_a_million_items_a_thousand_at_once
    sum = 0
    items = 0
    turn_class = EM::Iterator::Turn
    reactor do
      source = -> { (items += 1) > 1_000_000 ? EM::Iterator::Stop : items }
      foreach = ->(item, turn) { (sum += item) && turn.next }
      EM::Iterator.new(source, 1000).each(foreach, -> { EM.stop })
    end
    GC.start
    assert_equal 500_000_500_000, sum
    assert_operator ObjectSpace.each_object(turn_class).count, :<, 5000
  end
end
