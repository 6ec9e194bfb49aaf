# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# Other threads: what they may call, that these calls wake the loop, and that they run while the loop is busy.

require "test_helper"

class ThreadTest < ReactorTest
  repeat_under_gc_pressure except: [/eight_threads/, /_busy/, /run_while_the_loop_sleeps/]

  # Runs the block in another thread while the loop sleeps. The next timer is due after the test's time, so without a
  # wake the reactor does not stop.
  def wake
    reactor do
      EM.add_timer(self.class.time_limit * 2) { flunk "nothing but a timer has woken the loop" }
      preparation = yield(:prepare)
      Thread.new do
        wait_until_asleep
        yield(:wake, preparation)
      end
    end
    assert_not_running
  end

  def test_eight_threads_post_ticks_at_once
    seen = []
    reactor do
      threads = Array.new(8) do |t|
        Thread.new { 2000.times { |i| EM.next_tick { seen << [t, i, EM.reactor_thread?] } } }
      end
      Thread.new { threads.each(&:join) && EM.next_tick { EM.stop } }
    end
    assert_equal 16_000, seen.size
    assert(seen.all? { |_, _, on_reactor| on_reactor })
    seen.group_by(&:first).each_value { |of_one| assert_equal (0...2000).to_a, of_one.map { |_, i, _| i } }
  end

  def test_stop_wakes_the_loop
    wake { |step| EM.stop if step == :wake }
  end

  def test_schedule_wakes_the_loop
    wake { |step| EM.schedule { EM.stop } if step == :wake }
  end

  def test_a_timer_wakes_the_loop
    wake { |step| EM.add_timer(0.02) { EM.stop } if step == :wake }
  end

  def test_a_periodic_timer_wakes_the_loop
    wake { |step| EM.add_periodic_timer(0.02) { EM.stop } if step == :wake }
  end

  def test_connecting_wakes_the_loop
    wake do |step, port|
      step == :prepare ? server : client(port, connection_completed: ->(_) { EM.stop })
    end
  end

  def test_sending_wakes_the_loop
    wake do |step, connection|
      step == :prepare ? client(server(receive_data: ->(*) { EM.stop })) : connection.send_data("data")
    end
  end

  def test_closing_wakes_the_loop
    wake do |step, connection|
      step == :prepare ? client(server, unbind: ->(*) { EM.stop }) : connection.close_connection
    end
  end

  def test_closing_after_writing_wakes_the_loop
    wake do |step, connection|
      next client(server, unbind: ->(*) { EM.stop }) if step == :prepare

      connection.send_data("data")
      connection.close_connection_after_writing
    end
  end

  def test_signal_loopbreak_wakes_the_loop
    ticked = false
    wake do |step|
      next unless step == :wake

      EM.instance_variable_get(:@next_tick_queue) << -> { (ticked = true) && EM.stop }
      assert_nil EM.signal_loopbreak
    end
    assert ticked
  end

  def test_eight_threads_send_on_connections_of_their_own
    received = Hash.new { |all, signature| all[signature] = +"" }
    reactor do
      collect = lambda do |it, data|
        received[it.signature] << data
        EM.stop if received.each_value.sum(&:bytesize) == 8 * 100 * 5
      end
      port = server(receive_data: collect)
      connections = Array.new(8) { client(port) }
      connections.each { |it| Thread.new { 100.times { |i| it.send_data(format("%04d;", i)) } } }
    end
    assert_equal [Array.new(100) { |i| format("%04d;", i) }.join] * 8, received.values
  end

  def test_eight_threads_connect
    completed = 0
    reactor do
      port = server
      count = ->(_) { EM.stop if (completed += 1) == 200 }
      8.times { Thread.new { 25.times { client(port, connection_completed: count) } } }
    end
    assert_equal 200, completed
  end

  def test_a_connection_waits_for_the_object_that_another_thread_is_making
    completed = 0
    slow = Class.new(EM::Connection) do
      define_singleton_method(:new) { |*args| sleep(0.01) && super(*args) }
      define_method(:connection_completed) { EM.stop if (completed += 1) == 4 }
    end
    reactor do
      port = server
      Thread.new { 4.times { EM.connect("127.0.0.1", port, slow) } }
    end
    assert_equal 4, completed
  end

  def test_eight_threads_add_and_cancel_timers
    fired = 0
    reactor do
      threads = Array.new(8) do
        Thread.new do
          200.times do
            EM.add_timer(0.01) { fired += 1 }
            EM.cancel_timer(EM.add_timer(0.01) { flunk "fired" })
          end
        end
      end
      Thread.new { threads.each(&:join) && EM.add_timer(0.03) { EM.stop } }
    end
    assert_equal 1600, fired
  end

  def test_eight_threads_use_one_connection
    received = nil
    reactor do
      port = server(receive_data: ->(it, _) { received = it.received })
      connection = client(port)
      threads = Array.new(8) do
        Thread.new do
          100.times do
            connection.error?
            connection.get_outbound_data_size
            connection.pause && connection.resume
            connection.send_data("12345")
          end
        end
      end
      Thread.new { threads.each(&:join) && EM.next_tick { connection.resume } }
      as_soon_as(-> { received&.bytesize == 4000 }) { EM.stop }
    end
    assert_equal "12345" * 800, received
  end

  def test_other_threads_run_while_the_loop_is_busy
    # A thread that waits for the whole time slice of another one each time needs 1 s.
    at_best(0.5, attempts: 10) do
      turns = 0
      elapsed = nil
      reactor do
        again = -> { EM.next_tick(again) }
        again.call
        Thread.new do
          elapsed = seconds { 10.times { (sleep 0.001) && turns += 1 } }
          EM.stop
        end
      end
      assert_equal 10, turns
      elapsed
    end
  end

  def test_other_threads_run_while_connections_are_busy
    turns = 0
    reactor do
      echo = ->(it, data) { it.send_data(data) }
      port = server(receive_data: echo)
      4.times { client(port, receive_data: echo).send_data("x" * 1000) }
      Thread.new do
        10.times { (sleep 0.001) && turns += 1 }
        EM.stop
      end
    end
    assert_equal 10, turns
  end

  def test_other_threads_run_while_the_loop_sleeps
    counted = 0
    turns = []
    reactor do
      Thread.new do
        wait_until_asleep
        turns << EM.stats[:turns]
        counted += 1 until counted == 100_000
        turns << EM.stats[:turns]
        EM.stop
      end
    end
    # Some may have been running, but the loop has not run beside them.
    assert_operator turns[1] - turns[0], :<=, 5
  end

  def test_a_thread_may_wait_for_the_reactor_to_be_up
    ready = Thread::Queue.new
    thread = Thread.new { EM.run { ready << true } }
    ready.pop
    assert_same thread, EM.reactor_thread
    assert EM.reactor_running?
    answer = Thread::Queue.new
    EM.schedule { answer << EM.reactor_thread? }
    assert answer.pop
    EM.stop
    thread.join
    assert_not_running
  end

  def test_starting_and_stopping_from_outside_again_and_again
    10.times do
      ready = Thread::Queue.new
      thread = Thread.new { EM.run { ready << true } }
      ready.pop
      EM.stop
      assert_nil thread.value
    end
    assert_not_running
  end
end
