# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "test_helper"

class SpawnTest < ReactorTest
  def setup
    @log = []
  end

  # Runs the block, and then the reactor for some turns, until nothing is left to do.
  def settle(turns = 6)
    left = turns
    tick = -> { (left -= 1).zero? ? EM.stop : EM.next_tick(tick) }
    reactor do
      yield
      EM.next_tick(tick)
    end
  end

  def test_a_notified_process_runs_in_the_next_turn
    log = @log
    settle do
      process = EM.spawn { |*args| log << args }
      assert_nil process.notify(1, 2)
      assert_empty log
    end
    assert_equal [[1, 2]], log
  end

  def test_it_may_be_notified_before_the_reactor_runs
    log = @log
    EM.spawn { log << :run }.notify
    settle {}
    assert_equal [:run], log
  end

  def test_resume_and_run_notify_too
    log = @log
    settle do
      process = EM.spawn { |n| log << n }
      process.notify(1)
      process.resume(2)
      process.run(3)
    end
    assert_equal [1, 2, 3], log
  end

  def test_notifications_run_in_order_across_processes
    log = @log
    settle do
      a = EM.spawn { |n| log << [:a, n] }
      b = EM.spawn { |n| log << [:b, n] }
      [a, b, b, a].each_with_index { |process, n| process.notify(n) }
    end
    assert_equal [[:a, 0], [:b, 1], [:b, 2], [:a, 3]], log
  end

  def test_self_is_the_process_and_locals_are_kept
    log = @log
    settle do
      count = 0
      process = EM.spawn do
        log << self
        notify if (count += 1) < 3
      end
      process.notify
    end
    assert_equal [3, 1], [log.size, log.uniq.size]
    assert_kind_of EM::SpawnedProcess, log.first
  end

  def test_processes_send_messages_to_each_other
    log = @log
    settle(20) do
      pong = EM.spawn { |ball, sender| sender.notify(ball + 1, self) }
      ping = EM.spawn do |ball, sender|
        log << ball
        sender.notify(ball + 1, self) if ball < 6
      end
      ping.notify(0, pong)
    end
    assert_equal [0, 2, 4, 6], log
  end

  def test_a_notification_within_a_block_runs_in_a_later_turn
    log = @log
    settle do
      EM.spawn { |n| (log << n) && n < 2 && notify(n + 1) && log << :never }.notify(0)
    end
    assert_equal [0, 1, 2], log
  end

  def test_the_number_of_arguments_is_checked
    assert_raises(ArgumentError) { settle { EM.spawn { |_one| nil }.notify(1, 2) } }
    assert_raises(ArgumentError) { settle { EM.spawn { |_one| nil }.notify } }
    settle {}
  end

  def test_keyword_arguments_are_passed_on
    log = @log
    settle { EM.spawn { |a, b: 2| log << [a, b] }.notify(1, b: 3) }
    assert_equal [[1, 3]], log
  end

  def test_return_and_next_end_the_block_only
    log = @log
    settle do
      EM.spawn { log << :a or return }.notify
      EM.spawn { return log << :b }.notify
      EM.spawn { next log << :c }.notify
    end
    assert_equal %i[a b c], log
  end

  def test_a_method_that_the_process_lacks_is_a_name_error
    assert_raises(NameError) { settle { EM.spawn { settle }.notify } }
    settle {}
  end

  def test_yield_replaces_the_block_until_further_notice
    log = @log
    settle do
      process = EM.spawn do
        log << 1
        EM.yield do
          log << 2
          EM.yield { |n| log << n }
        end
      end
      process.notify
      process.notify
      process.notify(3)
      process.notify(4)
    end
    assert_equal [1, 2, 3, 4], log
  end

  def test_yield_and_notify_runs_the_next_block_without_a_notification
    log = @log
    settle do
      process = EM.spawn do
        log << 1
        EM.yield_and_notify do
          log << 2
          EM.yield_and_notify { |*args| log << args }
        end
      end
      process.notify
    end
    assert_equal [1, 2, []], log
  end

  def test_yield_and_notify_gives_no_arguments
    assert_raises(ArgumentError) do
      settle { EM.spawn { EM.yield_and_notify { |_one| nil } }.notify }
    end
    settle {}
  end

  def test_yield_has_an_effect_only_as_the_last_value
    log = @log
    settle do
      process = EM.spawn do
        EM.yield_and_notify { log << :never }
        log << :same
      end
      2.times { process.notify }
    end
    assert_equal %i[same same], log
  end

  def test_the_receiver_can_be_replaced_and_called
    process = EM.spawn { |a| [a, self] }
    assert_equal [1, process], process.call(1)
    process.set_receiver(proc { |a| [a, a] })
    assert_equal [2, 2], process.call(2)
    assert_includes process.singleton_methods, :call
  end

  def test_a_missing_block_is_an_error
    assert_raises(TypeError) { EM.spawn }
    assert_raises(ArgumentError) { EM.yield }
    assert_raises(ArgumentError) { EM.yield_and_notify }
    process = EM.spawn { :kept }
    assert_raises(TypeError) { process.set_receiver(nil) }
    assert_equal :kept, process.call
  end
end
