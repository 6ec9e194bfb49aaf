# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "test_helper"

class PoolTest < ReactorTest
  def setup
    @pool = EM::Pool.new
    @log = []
    @running = []
  end

  attr_reader :pool, :log, :running

  # Runs the block in a reactor, which then stops.
  def within
    reactor do
      yield
      EM.stop
    end
  end

  # Work that records its resource and continues until its deferrable is taken from `running`.
  def work(name = nil)
    lambda do |resource|
      log << [*name, resource]
      EM::DefaultDeferrable.new.tap { |deferrable| running << deferrable }
    end
  end

  def test_work_gets_a_free_resource_at_once
    within do
      pool.add(:a)
      assert_nil pool.perform(work)
      assert_equal [[:a]], log
    end
  end

  def test_work_may_be_queued_before_the_reactor_runs
    pool.add(:a)
    pool.perform(work)
    assert_empty log
    within {}
    assert_equal [[:a]], log
  end

  def test_more_work_than_resources_waits_in_order
    within do
      %i[a b].each { |resource| pool.add(resource) }
      5.times { |i| pool.perform(work(i)) }
      assert_equal [[[0, :a], [1, :b]], 3], [log, pool.num_waiting]
      running[1].succeed
      running[0].succeed
      assert_equal [[2, :b], [3, :a]], log.drop(2)
      running[2].succeed
      assert_equal [[4, :b], 0], [log.last, pool.num_waiting]
    end
  end

  def test_waiting_work_starts_when_a_resource_is_added
    within do
      pool.perform(work)
      assert_equal 1, pool.num_waiting
      pool.add(:a)
      assert_equal [[[:a]], 0], [log, pool.num_waiting]
    end
  end

  def test_perform_accepts_every_kind_of_callback
    within do
      3.times { |i| pool.add(i) }
      pool.perform(self, :noting)
      pool.reschedule { |resource| noting(resource) }
      assert_equal [0, 1], log
      assert_raises(ArgumentError) { pool.perform }
      assert_raises(ArgumentError) { pool.on_error }
    end
  end

  def test_a_completion_is_a_deferrable_too
    within do
      pool.add(:a)
      first = EM::Completion.new
      pool.perform { first }
      pool.perform(work)
      first.succeed
      assert_equal [[:a]], log
    end
  end

  def test_contents_is_a_copy_with_idle_and_busy_resources
    within do
      %i[a b].each { |resource| pool.add(resource) }
      pool.perform(work)
      assert_equal %i[a b], pool.contents
      pool.contents.clear
      assert_equal %i[a b], pool.contents
    end
  end

  def test_without_an_error_callback_a_failed_resource_returns_to_the_pool
    within do
      pool.add(:a)
      2.times { |i| pool.perform(work(i)) }
      running[0].fail
      assert_equal [[:a], [[0, :a], [1, :a]]], [pool.contents, log]
    end
  end

  def test_with_an_error_callback_a_failed_resource_leaves_the_pool
    within do
      pool.on_error { |resource| log << [:error, resource, pool.contents] }
      pool.add(:a)
      2.times { |i| pool.perform(work(i)) }
      running[0].fail
      assert_equal [[0, :a], [:error, :a, []]], log
      assert_equal [[], 1], [pool.contents, pool.num_waiting]
      refute pool.removed?(:a)
    end
  end

  def test_the_error_callback_may_add_a_replacement
    within do
      pool.on_error { |resource| pool.add("#{resource}'") }
      pool.add("a")
      2.times { |i| pool.perform(work(i)) }
      running[0].fail
      assert_equal [[0, "a"], [1, "a'"]], log
      assert_equal ["a'"], pool.contents
    end
  end

  def test_the_error_callback_may_remove_the_resource
    within do
      pool.on_error { |resource| pool.remove(resource) }
      pool.add(:a)
      pool.perform(work)
      running[0].fail
      refute pool.removed?(:a)
      pool.add(:a)
      pool.perform(work)
      assert_equal [[:a], [:a]], log
    end
  end

  def test_work_that_raises_has_failed_and_the_exception_is_passed_on
    within do
      pool.on_error { |resource| log << resource }
      pool.add(:a)
      assert_equal "mine", assert_raises(IOError) { pool.perform { raise IOError, "mine" } }.message
      assert_equal [[:a], []], [log, pool.contents]
    end
  end

  def test_without_an_error_callback_the_resource_of_work_that_raises_returns_to_the_pool
    [IOError, NotImplementedError].each do |error|
      @pool = EM::Pool.new
      within do
        pool.add(:a)
        assert_raises(error) { pool.perform { raise error } }
        pool.perform(work)
      end
    end
    assert_equal [[:a], [:a]], log
  end

  def test_work_must_return_a_deferrable
    within do
      pool.on_error { |resource| log << resource }
      pool.add(:a)
      assert_equal "deferrable expected from work", assert_raises(ArgumentError) { pool.perform { 1 } }.message
      assert_equal [[:a], []], [log, pool.contents]
    end
  end

  def test_waiting_work_that_raises_raises_in_the_reactor
    pool.perform { raise IOError }
    assert_raises(IOError) { reactor { pool.add(:a) } }
    assert_equal [:a], pool.contents
  end

  def test_an_error_callback_that_raises_is_called_once
    within do
      pool.on_error { |resource| log << resource && raise(IOError) }
      pool.add(:a)
      assert_raises(IOError) { pool.perform { EM::DefaultDeferrable.new.tap(&:fail) } }
      assert_equal [[:a], []], [log, pool.contents]
      pool.add(:b)
      pool.perform(work)
      assert_raises(IOError) { running[0].fail }
      assert_equal [:a, [:b], :b], log
    end
  end

  def test_only_the_first_outcome_frees_the_resource
    within do
      pool.add(:a)
      pool.perform { EM::DefaultDeferrable.new.tap { |it| running << it } }
      running[0].errback { running[0].succeed }
      running[0].fail
      2.times { |i| pool.perform(work(i)) }
      assert_equal [[[0, :a]], 1], [log, pool.num_waiting]
    end
  end

  def test_a_removed_free_resource_is_not_used
    within do
      %i[a b].each { |resource| pool.add(resource) }
      assert_nil pool.remove(:a)
      assert_equal [true, [:b]], [pool.removed?(:a), pool.contents]
      pool.perform(work)
      assert_equal [[[:b]], false], [log, pool.removed?(:a)]
    end
  end

  def test_a_removed_busy_resource_is_not_used_again
    within do
      pool.add(:a)
      2.times { |i| pool.perform(work(i)) }
      pool.remove(:a)
      running[0].succeed
      assert_equal [[[0, :a]], 1, false], [log, pool.num_waiting, pool.removed?(:a)]
      pool.add(:b)
      assert_equal [1, :b], log.last
    end
  end

  def test_a_removed_busy_resource_that_fails_is_forgotten
    within do
      pool.on_error { |resource| log << resource }
      pool.add(:a)
      pool.perform(work)
      pool.remove(:a)
      running[0].fail
      assert_equal [[[:a], :a], false], [log, pool.removed?(:a)]
    end
  end

  def test_work_that_would_get_a_removed_resource_goes_to_the_end_of_the_queue
    within do
      pool.add(:a)
      3.times { |i| pool.perform(work(i)) }
      pool.remove(:a)
      running[0].succeed
      2.times { pool.add(:b) }
      assert_equal [[0, :a], [2, :b], [1, :b]], log
    end
  end

  def test_removing_an_unknown_resource_is_ignored
    within do
      pool.remove(:stranger)
      refute pool.removed?(:stranger)
      pool.add(:stranger)
      pool.perform(work)
      assert_equal [[:stranger]], log
    end
  end

  def test_a_resource_may_be_removed_and_added_again
    within do
      pool.add(:a)
      pool.remove(:a)
      pool.add(:a)
      2.times { |i| pool.perform(work(i)) }
      assert_equal [[[0, :a]], 1, false], [log, pool.num_waiting, pool.removed?(:a)]
    end
  end

  def test_a_resource_that_was_added_twice_is_removed_twice
    within do
      2.times { pool.add(:a) }
      pool.remove(:a)
      pool.perform(work)
      assert_equal [[], [], false], [log, pool.contents, pool.removed?(:a)]
    end
  end

  def test_nil_and_false_are_resources
    within do
      [nil, false].each { |resource| pool.add(resource) || pool.remove(resource) || pool.add(resource) }
      2.times { |i| pool.perform(work(i)) }
      assert_equal [[[0, nil], [1, false]], false], [log, pool.removed?(nil)]
    end
  end

  def test_five_thousand_pieces_of_work_that_finish_at_once
    done = 0
    instant = ->(_) { (done += 1) && EM::DefaultDeferrable.new.tap(&:succeed) }
    within do
      5000.times { pool.perform(instant) }
      pool.add(:a)
      5000.times { pool.perform(instant) }
    end
    assert_equal 10_000, done
  end

  def test_five_thousand_removed_resources
    reactor do
      5000.times { |i| pool.add(i) }
      pool.contents.each { |resource| pool.remove(resource) }
      pool.add(:alive)
      pool.perform(work)
      as_soon_as(-> { log.any? }) { EM.stop }
    end
    assert_equal [[:alive]], log
    refute pool.removed?(4999)
  end

  def test_a_subclass_may_override_the_handling_of_resources
    log = @log
    own = Class.new(EM::Pool) { define_method(:requeue) { |resource| log << [:requeue, resource] && super(resource) } }
    @pool = own.new
    within do
      pool.add(:a)
      pool.perform(work)
      running[0].succeed
    end
    assert_equal [[:requeue, :a], [:a], [:requeue, :a]], log
  end

  def test_the_old_name_warns_and_works
    run = program("p EM::Deferrable::Pool == EM::Pool")
    assert_equal ["true\n", "EM::Deferrable::Pool is deprecated, please use EM::Pool\n"], [run.output, run.errors]
  end

  private

  def noting(resource)
    log << resource
    EM::DefaultDeferrable.new
  end
end
