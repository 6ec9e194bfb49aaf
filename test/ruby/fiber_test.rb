# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# Fibers on the reactor thread: callbacks that resume them, code in them that waits for callbacks, and a reactor that
# runs in one itself. Many libraries turn callbacks into sequential code this way.

require "test_helper"

class FiberTest < ReactorTest
  repeat_under_gc_pressure

  def test_a_fiber_waits_for_timers_in_plain_code
    steps = []
    reactor do
      in_fiber do
        3.times do |i|
          wait { |resume| EM.add_timer(0.005, resume) }
          steps << i
        end
        EM.stop
      end
    end
    assert_equal [0, 1, 2], steps
  end

  def test_a_fiber_connects_sends_and_receives_in_plain_code
    answers = []
    reactor do
      port = port_of(EM.start_server("127.0.0.1", 0, Echo))
      in_fiber do
        arrived = nil
        connection = wait do |resume|
          client(port, connection_completed: resume, receive_data: ->(_, data) { arrived.call(data) })
        end
        %w[one two three].each do |word|
          answers << wait do |resume|
            arrived = resume
            connection.send_data(word)
          end
        end
        EM.stop
      end
    end
    assert_equal %w[one two three], answers
  end

  def test_a_hundred_fibers_wait_at_the_same_time
    done = []
    reactor do
      100.times do |i|
        in_fiber do
          wait { |resume| EM.next_tick(resume) }
          wait { |resume| EM.add_timer(0.005, resume) }
          EM.stop if (done << i).size == 100
        end
      end
    end
    assert_equal (0...100).to_a, done.sort
  end

  def test_an_error_in_a_resumed_fiber_leaves_run
    error = assert_raises(IOError) do
      reactor do
        in_fiber do
          wait { |resume| EM.add_timer(0.005, resume) }
          raise IOError, "in the fiber"
        end
      end
    end
    assert_equal "in the fiber", error.message
    assert_not_running
  end

  def test_the_reactor_may_run_in_a_fiber
    seen = nil
    Fiber.new do
      reactor do
        EM.add_timer(0.005) { (seen = EM.reactor_thread?) && EM.stop }
      end
    end.resume
    assert_equal true, seen
    assert_not_running
  end

  def test_fibers_that_still_wait_do_not_keep_the_reactor_running
    reactor do
      in_fiber { wait { |_| EM.add_timer(0.005) { EM.stop } } }
    end
    assert_not_running
  end

  private

  def in_fiber(&block)
    Fiber.new(&block).resume
  end

  # Passes a callable to the block, and waits until it is called.
  # @return the first argument of that call
  def wait
    fiber = Fiber.current
    yield ->(*arguments) { fiber.resume(*arguments.first(1)) }
    Fiber.yield
  end
end
