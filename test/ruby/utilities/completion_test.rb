# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "test_helper"

class CompletionTest < ReactorTest
  # A completion with custom states.
  class Upload < EM::Completion
    def completion_states
      %i[stored rejected]
    end
  end

  def setup
    @completion = EM::Completion.new
    @log = []
  end

  attr_reader :completion, :log

  def note(what)
    ->(*args) { log << [what, *args] }
  end

  # Runs the reactor for one turn.
  def crank
    reactor { EM.stop }
  end

  def test_the_initial_state_is_unknown_without_a_value
    assert_equal [:unknown, []], [completion.state, completion.value]
    refute_predicate completion, :completed?
    assert_equal %i[succeeded failed], completion.completion_states
    assert_kind_of EM::Deferrable, completion
  end

  def test_the_state_changes_at_once_and_callbacks_run_in_the_reactor
    completion.callback(note(:callback)).errback(note(:errback)).completion(note(:completion))
    assert_nil completion.succeed(1, 2)
    assert_equal [:succeeded, [1, 2], []], [completion.state, completion.value, log]
    crank
    assert_equal [[:callback, 1, 2], [:completion, 1, 2]], log
  end

  def test_on_the_reactors_thread_callbacks_are_called_at_once
    reactor do
      completion.callback(note(:callback)).errback(note(:errback))
      completion.fail(1)
      assert_equal [[:errback, 1]], log
      EM.stop
    end
  end

  def test_from_another_thread_callbacks_are_called_in_the_reactor
    reactor do
      completion.callback { log << Thread.current && EM.stop }
      Thread.new { completion.succeed }.join
      assert_empty log
    end
    assert_equal [Thread.current], log
  end

  def test_the_older_names_do_the_same
    completion.set_deferred_success(1)
    assert_equal [:succeeded, [1]], [completion.state, completion.value]
    completion.set_deferred_failure(2)
    assert_equal [:failed, [2]], [completion.state, completion.value]
    completion.set_deferred_status(:mine, 3)
    assert_equal [:mine, [3]], [completion.state, completion.value]
  end

  def test_only_completion_states_are_completed
    states = [:succeeded, :failed, :other, :unknown].map { |state| completion.change_state(state) || completion.completed? }
    assert_equal [true, true, false, false], states
  end

  def test_any_object_may_be_a_state
    completion.stateback([:page, 1], note(:page))
    completion.change_state([:page, 1], "text")
    crank
    assert_equal [[:page, "text"]], log
  end

  def test_callbacks_of_other_states_are_called_once
    completion.stateback(:connected, note(:connected))
    2.times { |i| completion.change_state(:connected, i) || crank }
    assert_equal [[:connected, 0]], log
  end

  def test_late_callbacks_are_called_at_once
    completion.succeed(1)
    completion.callback(note(:callback)).errback(note(:errback)).completion(note(:completion))
    assert_equal [[:callback, 1], [:completion, 1]], log
    crank
    assert_equal 2, log.size
  end

  def test_late_callbacks_for_another_state_are_called_at_once
    completion.change_state(:connected, 1)
    completion.stateback(:connected, note(:connected))
    assert_equal [[:connected, 1]], log
  end

  def test_callbacks_for_other_completion_states_are_dropped
    completion.succeed(1)
    completion.stateback(:connected, note(:connected))
    completion.change_state(:connected)
    crank
    assert_empty log
  end

  def test_completion_drops_the_callbacks_of_all_completion_states
    completion.errback(note(:errback))
    completion.succeed && crank
    crank
    completion.fail
    crank
    assert_empty log
  end

  def test_a_completion_that_was_reset_can_be_used_again
    reactor do
      completion.callback(note(:first)).completion(note(:first_end))
      completion.succeed(1)
      completion.change_state(:unknown)
      completion.callback(note(:second)).completion(note(:second_end))
      completion.succeed(2)
      EM.stop
    end
    assert_equal [[:first, 1], [:first_end, 1], [:second, 2], [:second_end, 2]], log
  end

  def test_a_callback_may_change_the_arguments_of_later_callbacks
    reactor do
      completion.callback { |n| completion.succeed(n + 1) }.callback { |n| completion.succeed(n + 10) }
      completion.callback(note(:third)).completion(note(:end))
      completion.succeed(0)
      EM.stop
    end
    assert_equal [[:third, 11], [:end, 11]], log
  end

  def test_a_callback_may_turn_the_success_into_a_failure
    reactor do
      completion.callback { completion.fail(2) }.callback(note(:behind)).errback(note(:errback)).completion(note(:end))
      completion.succeed(1)
      EM.stop
    end
    assert_equal [[:errback, 2], [:end, 2]], log
  end

  def test_a_completion_callback_may_reset_the_completion
    reactor do
      completion.completion { completion.change_state(:unknown) }.completion(note(:second))
      completion.succeed(1)
      assert_empty log
      completion.succeed(2)
      EM.stop
    end
    assert_equal [[:second, 2]], log
  end

  def test_a_subclass_may_define_the_completion_states
    upload = Upload.new
    upload.stateback(:stored, note(:stored)).stateback(:rejected, note(:rejected)).completion(note(:end)).callback(note(:ok))
    reactor do
      upload.succeed(1)
      upload.change_state(:stored, 2)
      upload.change_state(:rejected, 3)
      EM.stop
    end
    assert_equal [[:ok, 1], [:stored, 2], [:end, 2]], log
  end

  def test_every_kind_of_callback_is_accepted
    object = Object.new
    object.define_singleton_method(:done) { |value| value << :done }
    completion.callback(object, :done).callback(note(:callable)).callback { |value| value << :block }
    completion.succeed(log)
    crank
    assert_equal [:done, [:callable, log], :block], log
    assert_raises(ArgumentError) { completion.callback }
    assert_raises(ArgumentError) { completion.stateback(:mine) }
  end

  def test_callbacks_can_be_cancelled
    first = note(:first)
    completion.callback(first).callback(note(:second)).errback(first)
    assert_same first, completion.cancel_callback(first)
    assert_nil completion.cancel_callback(first)
    assert_same first, completion.cancel_errback(&first)
    completion.succeed && crank
    crank
    assert_equal [[:second]], log
  end

  def test_an_exception_in_a_callback_leaves_the_reactor_and_later_callbacks_wait
    completion.callback { raise IOError }.callback(note(:behind))
    assert_raises(IOError) { reactor { completion.succeed(1) } }
    assert_empty log
    completion.callback(note(:late))
    assert_equal [[:behind, 1], [:late, 1]], log
  end

  def test_timeout_makes_it_fail
    reactor do
      completion.errback(note(:errback)).errback { EM.stop }
      assert_kind_of EM::Timer, completion.timeout(0.001, :late, 1)
    end
    assert_equal [[:errback, :late, 1]], log
  end

  def test_only_completion_states_cancel_the_timeout
    reactor do
      completion.timeout(60)
      completion.change_state(:connected)
      assert_equal 2, EM.get_timer_count
      completion.succeed
      assert_equal 1, EM.get_timer_count
      EM.stop
    end
  end

  def test_a_timeout_replaces_an_earlier_one_and_can_be_cancelled
    reactor do
      completion.timeout(60)
      completion.timeout(60)
      assert_equal 2, EM.get_timer_count
      assert_nil completion.cancel_timeout
      assert_equal 1, EM.get_timer_count
      EM.stop
    end
  end

  def test_a_timeout_that_fires_after_completion_changes_nothing
    completion.define_singleton_method(:cancel_timeout) {}
    reactor do
      completion.timeout(0.001)
      completion.succeed
      EM.add_timer(0.005) { EM.stop }
    end
    assert_equal :succeeded, completion.state
  end

  def test_threads_may_add_callbacks_and_complete_at_the_same_time
    counts = Array.new(200) { |i| calls_of_racing_threads(i) }
    assert_equal [4], counts.uniq
  end

  def test_fifty_thousand_callbacks
    calls = 0
    50_000.times { completion.callback { calls += 1 } }
    completion.succeed && crank
    crank
    assert_equal 50_000, calls
  end

  private

  def calls_of_racing_threads(value)
    racing = EM::Completion.new
    calls = ::Queue.new
    threads = Array.new(4) { Thread.new { racing.callback { |given| calls << given } } }
    racing.succeed(value)
    threads.each(&:join)
    crank
    calls.size
  end
end
