# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# Leaving EM.run by an exception, throw, exit, a timeout or the end of a thread: from whatever place, everything is
# unbound and released on the way out. No error handler is installed here, but in error_handler_test.rb.

require "test_helper"
require "timeout"

class LeavingTest < ReactorTest
  repeat_under_gc_pressure except: [/throw_from_(?!receive_data)/, /at_exit/, /at_any_moment/]

  class Failure < StandardError; end

  PLACES = {
    run_block: ->(_, leave) { leave.call },
    timer: ->(_, leave) { EM.add_timer(0.01, leave) },
    periodic_timer: ->(_, leave) { EM.add_periodic_timer(0.01, leave) },
    next_tick: ->(_, leave) { EM.next_tick(leave) },
    scheduled_from_a_thread: ->(_, leave) { Thread.new { EM.schedule(leave) } },
    deferred_callback: ->(_, leave) { EM.defer(-> { nil }, leave) },
    deferred_errback: ->(_, leave) { EM.defer(-> { raise Failure }, nil, leave) },
    client_initialize: ->(test, leave) { test.client(test.server, initialize: leave) },
    client_post_init: ->(test, leave) { test.client(test.server, post_init: leave) },
    client_block: ->(test, leave) { EM.connect("127.0.0.1", test.server, &leave) },
    connection_completed: ->(test, leave) { test.client(test.server, connection_completed: leave) },
    accepted_initialize: ->(test, leave) { test.client(test.server(initialize: leave)) },
    accepted_post_init: ->(test, leave) { test.client(test.server(post_init: leave)) },
    accepted_block: ->(test, leave) { test.client(test.port_of(EM.start_server("127.0.0.1", 0, &leave))) },
    receive_data: ->(test, leave) { test.client(test.server(receive_data: leave)).send_data("data") }
  }.freeze

  PLACES.each do |place, start|
    define_method("test_an_error_in_#{place}_leaves_run_and_unbinds_what_is_connected") do
      failure = Failure.new("in #{place}")
      assert_same failure, assert_raises(Failure) { run_with_witness { start.call(self, ->(*) { raise failure }) } }
      assert_witnessed
    end

    define_method("test_throw_from_#{place}_leaves_run_and_unbinds_what_is_connected") do
      caught = catch(:out) do
        run_with_witness { start.call(self, ->(*) { throw :out, :thrown }) }
        :returned
      end
      assert_equal :thrown, caught
      assert_witnessed
    end
  end

  [NotImplementedError, NoMemoryError, SystemExit, Interrupt, Class.new(Exception)].each do |error|
    define_method("test_#{error.name&.downcase || 'a_custom_exception'}_is_not_swallowed") do
      assert_raises(error) { run_with_witness { EM.next_tick { raise error, "leave" } } }
      assert_witnessed
    end
  end

  def test_killing_the_reactor_thread_unbinds_and_releases
    running = Thread::Queue.new
    thread = Thread.new { run_with_witness { EM.add_timer(0.02) { running << true } } }
    running.pop
    thread.kill.join
    assert_witnessed
  end

  def test_killing_the_reactor_thread_from_a_callback_unbinds_and_releases
    Thread.new { run_with_witness { EM.add_timer(0.01) { Thread.current.kill } } }.join
    assert_witnessed
  end

  def test_an_exception_raised_from_another_thread_leaves_run
    assert_raises(Failure) do
      run_with_witness do
        reactor_thread = Thread.current
        EM.add_timer(0.01) { Thread.new { reactor_thread.raise(Failure) } }
      end
    end
    assert_witnessed
  end

  def test_a_timeout_around_run_leaves_it_while_it_is_idle
    assert_raises(Timeout::Error) { Timeout.timeout(0.05) { run_with_witness { nil } } }
    assert_witnessed
  end

  def test_exit_in_a_callback_unbinds_before_the_handlers_of_at_exit
    assert_prints "hook", "unbind", "at_exit", <<~RUBY
      at_exit { puts "at_exit" }
      unbind = Module.new { def unbind = puts("unbind") }
      EM.run do
        EM.add_shutdown_hook { puts "hook" }
        port = Socket.unpack_sockaddr_in(EM.get_sockname(EM.start_server("127.0.0.1", 0))).first
        EM.connect("127.0.0.1", port, unbind)
        EM.add_timer(0.01) { exit }
      end
      puts "not reached"
    RUBY
  end

  def test_throw_from_unbind_or_a_hook_leaves_run_and_unbinds_the_others
    [->(out) { client(server, unbind: out).close_connection },
     ->(out) { client(server, unbind: out) && EM.add_timer(0.01) { EM.stop } },
     ->(out) { EM.add_shutdown_hook(&out) && EM.stop }].each do |start|
      thrown = catch(:out) { run_with_witness { instance_exec(->(*) { throw :out, :thrown }, &start) } }
      assert_equal :thrown, thrown
      assert_witnessed
    end
  end

  def test_exit_in_a_hook_still_releases_everything
    assert_raises(SystemExit) do
      run_with_witness do
        EM.add_shutdown_hook { exit }
        EM.stop
      end
    end
    assert_witnessed
  end

  def test_a_busy_reactor_may_be_killed_or_interrupted_at_any_moment
    echo = ->(it, data) { it.send_data(data) }
    random = Random.new(8)
    20.times do |i|
      thread = Thread.new do
        EM.run { 3.times { client(server(receive_data: echo), receive_data: echo).send_data("x") } }
      end
      thread.report_on_exception = false
      sleep random.rand / 100
      i.even? ? thread.kill : thread.raise(Failure)
      i.even? ? thread.join : assert_raises(Failure) { thread.join }
      assert_not_running
    end
  end

  def test_an_error_in_unbind_is_lost_if_another_one_is_already_leaving_run
    error = assert_raises(Failure) do
      reactor do
        client(server, unbind: ->(*) { raise Failure, "in unbind" })
        EM.add_timer(0.01) { raise Failure, "first" }
      end
    end
    assert_equal "first", error.message
    assert_not_running
  end

  private

  # Runs the reactor with a connection and a hook, and checks that both see its end.
  def run_with_witness
    EM.run do
      GCPressure.start(full: self.class.full_collections)
      EM.add_shutdown_hook { @hook = EM.reactor_running? }
      @witness = client(server)
      yield
    end
  ensure
    GCPressure.stop
  end

  def assert_witnessed
    assert @hook, "the shutdown hook did not run in time"
    assert_equal [1, nil], [@witness.events.count(:unbind), @witness.reason]
    assert_not_running
  end
end
