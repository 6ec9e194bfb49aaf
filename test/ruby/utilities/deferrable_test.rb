# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "test_helper"
require "weakref"

class DeferrableTest < ReactorTest
  def setup
    @deferrable = EM::DefaultDeferrable.new
    @log = []
  end

  attr_reader :deferrable, :log

  # Classes that do not call the constructor of Deferrable.
  class NoSuper
    include EM::Deferrable

    def initialize(value)
      @value = value
    end
  end

  def note(what = nil)
    ->(*args) { log << [what, *args].compact }
  end

  def test_callbacks_run_in_the_order_in_which_they_were_added_before_succeed_returns
    3.times { |i| deferrable.callback { |*args| log << [i, *args] } }
    assert_nil deferrable.succeed(:a, :b)
    assert_equal [[0, :a, :b], [1, :a, :b], [2, :a, :b]], log
  end

  def test_errbacks_run_in_the_order_in_which_they_were_added_before_fail_returns
    3.times { |i| deferrable.errback { |*args| log << [i, *args] } }
    assert_nil deferrable.fail(:a)
    assert_equal [[0, :a], [1, :a], [2, :a]], log
  end

  def test_only_the_blocks_of_the_outcome_run
    deferrable.callback(&note(:callback)).errback(&note(:errback))
    deferrable.succeed
    assert_equal [[:callback]], log
  end

  def test_the_older_names_do_the_same
    deferrable.callback(&note(:ok)).set_deferred_success(1)
    EM::DefaultDeferrable.new.errback(&note(:error)).set_deferred_failure(2)
    EM::DefaultDeferrable.new.callback(&note(:ok)).set_deferred_status(:succeeded, 3)
    EM::DefaultDeferrable.new.errback(&note(:error)).set_deferred_status(:failed, 4)
    assert_equal [[:ok, 1], [:error, 2], [:ok, 3], [:error, 4]], log
  end

  def test_callback_and_errback_return_the_object_and_nil_without_a_block
    assert_same deferrable, deferrable.callback {}
    assert_same deferrable, deferrable.errback {}
    deferrable.succeed
    assert_same deferrable, deferrable.callback {}
    assert_same deferrable, deferrable.errback {}
    assert_nil deferrable.callback
    assert_nil deferrable.errback
  end

  def test_late_blocks_run_at_once_or_never
    deferrable.succeed(1)
    deferrable.errback(&note(:errback)).callback(&note(:callback))
    assert_equal [[:callback, 1]], log
    deferrable.fail(2)
    deferrable.callback(&note(:callback)).errback(&note(:errback))
    assert_equal [[:callback, 1], [:errback, 2]], log
  end

  def test_each_block_runs_at_most_once
    deferrable.callback(&note).errback(&note(:errback))
    2.times { deferrable.succeed(1) }
    deferrable.fail(2)
    deferrable.succeed(3)
    assert_equal [[1]], log
  end

  def test_the_first_outcome_drops_the_blocks_of_the_other_kind
    deferrable.errback(&note(:early))
    deferrable.succeed
    deferrable.fail(1)
    deferrable.errback(&note(:late))
    assert_equal [[:late, 1]], log
  end

  def test_a_callback_may_change_the_arguments_of_later_callbacks
    deferrable.callback { |n| deferrable.succeed(n + 1) }
    deferrable.callback { |n| deferrable.succeed(n + 10) }
    deferrable.callback { |n| deferrable.succeed(n + 100) }
    deferrable.callback(&note)
    deferrable.succeed(0)
    assert_equal [[111]], log
  end

  def test_a_callback_may_turn_the_success_into_a_failure
    deferrable.callback(&note(:first)).callback { deferrable.fail(:reason) }.callback(&note(:behind)).errback(&note(:errback))
    deferrable.succeed(1)
    assert_equal [[:first, 1], [:errback, :reason]], log
  end

  def test_an_errback_may_turn_the_failure_into_a_success
    deferrable.errback { deferrable.succeed(2) }.errback(&note(:behind)).callback(&note(:callback))
    deferrable.fail(1)
    assert_equal [[:callback, 2]], log
  end

  def test_a_callback_added_by_a_callback_runs_before_pending_ones
    deferrable.callback { deferrable.callback(&note(:nested)) && log << [:outer] }
    deferrable.callback(&note(:waiting))
    deferrable.succeed
    assert_equal [[:nested], [:outer], [:waiting]], log
  end

  def test_an_exception_in_a_callback_leaves_succeed_and_later_callbacks_wait
    deferrable.callback { raise IOError, "mine" }.callback(&note(:behind)).errback(&note(:errback))
    assert_equal "mine", assert_raises(IOError) { deferrable.succeed(1) }.message
    assert_empty log
    deferrable.succeed(2)
    assert_equal [[:behind, 2]], log
  end

  def test_an_exception_in_a_callback_does_not_cause_a_failure
    deferrable.callback { raise IOError }.errback(&note(:errback))
    assert_raises(IOError) { deferrable.succeed(1) }
    deferrable.errback(&note(:late)).callback(&note(:callback))
    assert_equal [[:callback, 1]], log
  end

  def test_other_statuses_are_recorded_and_blocks_keep_waiting
    deferrable.callback(&note(:before))
    assert_nil deferrable.set_deferred_status(:under_way, 1)
    deferrable.callback(&note(:behind))
    assert_empty log
    deferrable.succeed(2)
    assert_equal [[:before, 2], [:behind, 2]], log
  end

  def test_blocks_can_be_cancelled
    first = note(:first)
    deferrable.callback(&first).callback(&note(:second)).callback(&first)
    assert_same first, deferrable.cancel_callback(first)
    assert_nil deferrable.cancel_callback(first)
    assert_nil deferrable.cancel_errback(first)
    deferrable.succeed
    assert_equal [[:second]], log
  end

  def test_errbacks_can_be_cancelled
    first = note(:first)
    deferrable.errback(&first).errback(&note(:second))
    assert_same first, deferrable.cancel_errback(first)
    deferrable.fail
    assert_equal [[:second]], log
  end

  def test_a_block_may_cancel_a_later_one
    behind = note(:behind)
    deferrable.callback { deferrable.cancel_callback(behind) }.callback(&behind)
    deferrable.succeed
    assert_empty log
  end

  def test_resetting_the_status_makes_it_reusable
    results = Array.new(2) do |i|
      deferrable.instance_variable_set(:@deferred_status, nil)
      deferrable.callback(&note(:ok)).errback(&note(:error))
      assert_equal i, log.size
      i.zero? ? deferrable.succeed(i) : deferrable.fail(i)
    end
    assert_equal [nil, nil], results
    assert_equal [[:ok, 0], [:error, 1]], log
  end

  def test_later_blocks_still_run_if_a_block_resets_the_status
    { succeed: :callback, fail: :errback }.each do |outcome, block|
      [->(it) { it.instance_variable_set(:@deferred_status, nil) }, ->(it) { it.set_deferred_status(:again, 2) }].each do |take_back|
        one = EM::DefaultDeferrable.new
        one.public_send(block) { take_back.call(one) }
        one.public_send(block, &note(block))
        one.public_send(outcome, 1)
      end
    end
    assert_equal [[:callback, 1], [:callback, 2], [:errback, 1], [:errback, 2]], log
  end

  def test_its_state_is_in_the_instance_variables_that_libraries_access
    deferrable.callback {}.errback {}
    assert_equal [:unknown, 1, 1], variables(:@deferred_status) + variables(:@callbacks, :@errbacks).map(&:size)
    deferrable.succeed(1, 2)
    assert_equal [:succeeded, [1, 2]], variables(:@deferred_status, :@deferred_args)
  end

  def test_a_reused_object_has_only_its_last_outcome
    deferrable.succeed(1)
    deferrable.succeed(2)
    deferrable.callback(&note)
    assert_equal [[2]], log
  end

  def test_classes_need_not_call_its_constructor
    NoSuper.new(1).callback(&note).succeed(2)
    assert_equal [[2]], log
  end

  def test_blocks_with_strict_arity_keep_it
    deferrable.callback(&->(one) { log << one })
    assert_raises(ArgumentError) { deferrable.succeed(1, 2) }
  end

  def test_timeout_makes_it_fail_with_the_arguments_given
    reactor do
      deferrable.errback(&note(:late)).errback { EM.stop }
      assert_same deferrable, deferrable.timeout(0, 1, 2)
      assert_empty log
    end
    assert_equal [[:late, 1, 2]], log
  end

  def test_timeout_without_arguments_gives_none
    reactor do
      deferrable.errback(&note).errback { EM.stop }
      deferrable.timeout(0.001)
    end
    assert_equal [[]], log
  end

  def test_any_status_cancels_the_timeout
    reactor do
      %i[succeeded failed other].each do |status|
        it = EM::DefaultDeferrable.new.timeout(0.001)
        it.set_deferred_status(status)
        assert_equal 1, EM.get_timer_count, "besides the one that runs, after #{status}"
        it.errback(&note(status))
      end
      EM.add_timer(0.01) { EM.stop }
    end
    assert_equal [[:failed]], log
  end

  def test_a_timeout_replaces_an_earlier_one
    reactor do
      deferrable.errback(&note).errback { EM.add_timer(0.01) { EM.stop } }
      deferrable.timeout(0.001, :first)
      deferrable.timeout(0.005, :second)
    end
    assert_equal [[:second]], log
  end

  def test_an_errback_of_a_timeout_may_set_another_timeout
    reactor do
      deferrable.errback { deferrable.timeout(0.001, :again) && deferrable.callback {} }
      deferrable.timeout(0.001, :first)
      as_soon_as(-> { variables(:@deferred_args) == [[:again]] }) { EM.stop }
    end
    assert_equal [:failed, nil], variables(:@deferred_status, :@deferred_timeout)
  end

  def test_a_timeout_can_be_cancelled
    reactor do
      deferrable.errback(&note).timeout(0.001)
      assert_nil deferrable.cancel_timeout
      assert_nil deferrable.cancel_timeout
      EM.add_timer(0.005) { EM.stop }
    end
    assert_empty log
  end

  def test_a_timeout_set_after_success_turns_it_into_a_failure
    reactor do
      deferrable.succeed(1)
      deferrable.timeout(0.001, :late)
      as_soon_as(-> { variables(:@deferred_status) == [:failed] }) { EM.stop }
    end
    deferrable.errback(&note)
    assert_equal [[:late]], log
  end

  def test_timeout_needs_a_reactor
    assert_raises(RuntimeError) { deferrable.timeout(1) }
    assert_nil deferrable.cancel_timeout
  end

  def test_an_outcome_can_be_set_after_the_reactor_has_stopped
    reactor { deferrable.timeout(60) && EM.stop }
    deferrable.callback(&note).succeed(1)
    assert_equal [[1]], log
  end

  def test_the_timeout_calls_an_overridden_fail
    log = @log
    deferrable.define_singleton_method(:fail) { |*args| log << args && super(:translated) }
    reactor do
      deferrable.errback { |reason| log << reason && EM.stop }
      deferrable.timeout(0.001, :raw)
    end
    assert_equal [[:raw], :translated], log
  end

  def test_an_overridden_succeed_may_set_the_status
    deferrable.define_singleton_method(:succeed) { |value| set_deferred_status(:succeeded, value * 2) }
    deferrable.callback(&note).succeed(4)
    assert_equal [[8]], log
  end

  def test_an_overridden_set_deferred_status_sees_every_outcome
    log = @log
    deferrable.define_singleton_method(:set_deferred_status) { |status, *args| log << [status, *args] && super(status, *args) }
    deferrable.succeed(1)
    deferrable.fail(2)
    deferrable.set_deferred_success(3)
    deferrable.set_deferred_failure
    assert_equal [[:succeeded, 1], [:failed, 2], [:succeeded, 3], [:failed]], log
  end

  # Programs reopen the module to keep the first outcome, for instance.
  def test_the_module_may_be_reopened
    assert_prints "[1]", <<~RUBY
      module EventMachine::Deferrable
        alias every_status set_deferred_status
        def set_deferred_status(*args) = %i[succeeded failed].include?(@deferred_status) || every_status(*args)
      end
      it = EM::DefaultDeferrable.new
      it.succeed(1)
      it.succeed(2)
      it.callback { |*args| p args }
    RUBY
  end

  def test_fifty_thousand_blocks_on_one_object
    calls = 0
    50_000.times { deferrable.callback { calls += 1 } && deferrable.errback { flunk } }
    deferrable.succeed
    assert_equal 50_000, calls
  end

  def test_three_hundred_thousand_cancelled_timeouts
    reactor do
      300_000.times { EM::DefaultDeferrable.new.timeout(600).succeed }
      assert_equal 1, EM.get_timer_count
      EM.stop
    end
  end

  def test_after_the_outcome_it_refers_to_no_block
    reactor do
      done = Array.new(2000) { |i| done_with_large_closures(i) }
      refs = done.flat_map(&:last)
      GC.start
      # The machine stack may keep a few of them alive.
      assert_operator refs.count(&:weakref_alive?), :<, 100, "of #{refs.size}"
      assert_equal 2000, done.size
      EM.stop
    end
  end

  def test_fail_hides_kernel_fail_only_in_including_classes
    deferrable.errback(&note)
    deferrable.instance_eval { fail "reason" }
    assert_equal [["reason"]], log
  end

  private

  def done_with_large_closures(number)
    payloads = Array.new(20) { "x" * 2000 }
    it = EM::DefaultDeferrable.new.timeout(600)
    payloads.each { |payload| it.callback { payload.size }.errback { payload.size } }
    number.odd? ? it.succeed : it.fail
    [it, payloads.map { |payload| WeakRef.new(payload) }]
  end

  def variables(*names)
    names.map { |name| deferrable.instance_variable_get(name) }
  end
end
