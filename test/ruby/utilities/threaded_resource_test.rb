# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "test_helper"

class ThreadedResourceTest < ReactorTest
  def setup
    @resource = EM::ThreadedResource.new { [] }
  end

  def teardown
    @resource.shutdown
    super
  end

  attr_reader :resource

  # @return [Array] the states and values of the completions, once all have ended
  def outcomes(*completions)
    reactor { as_soon_as(-> { completions.all?(&:completed?) }) { EM.stop } }
    completions.map { |completion| [completion.state, *completion.value] }
  end

  def test_the_resource_is_created_at_once_on_the_calling_thread
    made_on = nil
    EM::ThreadedResource.new { made_on = Thread.current }.shutdown
    assert_same Thread.current, made_on
    assert_raises(LocalJumpError) { EM::ThreadedResource.new }
  end

  def test_a_job_runs_on_the_thread_and_its_callbacks_on_the_reactors
    threads = nil
    reactor do
      completion = resource.dispatch { |it| [it, Thread.current] }
      assert_kind_of EM::Completion, completion
      completion.callback { |result| (threads = [*result, Thread.current]) && EM.stop }
    end
    assert_equal [], threads.first
    refute_same Thread.current, threads[1]
    assert_same Thread.current, threads[2]
  end

  def test_jobs_run_in_order_on_one_thread
    jobs = Array.new(5) { |i| resource.dispatch { |it| it << [i, Thread.current] } }
    outcomes(*jobs)
    notes = resource.dispatch { |it| it }.then { |it| outcomes(it).first.last }
    assert_equal [[0, 1, 2, 3, 4], 1], [notes.map(&:first), notes.map(&:last).uniq.size]
  end

  def test_an_exception_fails_the_job_and_the_thread_continues
    errors = [IOError, NotImplementedError, SystemExit, NoMemoryError, Interrupt]
    jobs = errors.map { |error| resource.dispatch { raise error } }
    jobs << resource.dispatch { throw :nothing } << resource.dispatch { Thread.current.name = nil }
    states = outcomes(*jobs)
    assert_equal [*errors, UncaughtThrowError], states[0...-1].map { |_, error| error.class }
    assert_equal [:failed] * 6 + [:succeeded], states.map(&:first)
  end

  def test_a_job_that_ends_the_thread_fails_and_so_do_queued_jobs
    jobs = [resource.dispatch { Thread.exit }, resource.dispatch { :never }]
    states = outcomes(*jobs)
    assert_equal [:failed, :failed], states.map(&:first)
    assert_equal [EM::ThreadedResource::ShutdownError], states.map { |_, error| error.class }.uniq
    assert_equal :failed, resource.dispatch {}.state
  end

  def test_shutdown_lets_the_current_job_finish
    gate = ::Queue.new
    job = resource.dispatch { gate.pop }
    behind = resource.dispatch { :never }
    wait_until { gate.num_waiting == 1 }
    stopper = Thread.new { resource.shutdown }
    wait_until { behind.completed? }
    refute_predicate job, :completed?
    gate << :done
    thread = stopper.value
    assert_kind_of Thread, thread
    refute_predicate thread, :alive?
    assert_equal [:succeeded, :done], outcomes(job).first
    assert_equal [:failed, EM::ThreadedResource::ShutdownError], [behind.state, behind.value.first.class]
  end

  def test_after_shutdown_jobs_fail_at_once
    thread = resource.shutdown
    assert_same thread, resource.shutdown
    completion = resource.dispatch { flunk }
    assert_equal [:failed, "the threaded resource has been shut down"], [completion.state, completion.value.first.message]
    failures = []
    completion.errback { |error| failures << error.class }
    assert_equal [EM::ThreadedResource::ShutdownError], failures
    reactor { EM.stop }
  end

  def test_a_job_may_call_shutdown
    job = resource.dispatch { resource.shutdown }
    thread = outcomes(job).first.last
    thread.join
    refute_predicate thread, :alive?
  end

  def test_a_job_needs_a_block
    assert_raises(ArgumentError) { resource.dispatch }
  end

  def test_in_a_forked_child_jobs_fail_at_once
    assert_equal :failed, in_child { resource.dispatch {}.state }
  end

  def test_a_pool_shares_several
    pool = EM::Pool.new
    resources = Array.new(2) { |i| EM::ThreadedResource.new { i } }
    resources.each { |it| pool.add(it) }
    results = []
    reactor do
      6.times do |i|
        pool.perform do |it|
          it.dispatch { |number| [number, i] }.callback { |result| (results << result).size == 6 && EM.stop }
        end
      end
    end
    assert_equal (0..5).to_a, results.map(&:last).sort
    resources.each(&:shutdown)
  end
end
