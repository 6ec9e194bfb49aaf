# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# EM.error_handler: which exceptions it gets, which it does not, and that the reactor continues afterwards.

require "test_helper"

class ErrorHandlerTest < ReactorTest
  repeat_under_gc_pressure except: [/many_errors/, /an_error_in_(client|accepted_post_init|deferred_errback)/]

  class Failure < StandardError; end

  def setup
    @errors = []
  end

  def handle_errors
    EM.error_handler { |error| @errors << error }
  end

  def test_installing_returns_the_handler_and_removing_returns_the_former_one
    first = ->(error) { @errors << error }
    second = proc { |error| @errors << error }
    assert_nil EM.error_handler
    assert_same first, EM.error_handler(first)
    assert_same second, EM.error_handler(&second)
    assert_same second, EM.error_handler
    assert_nil EM.error_handler
  end

  def test_a_handler_that_cannot_be_called_is_refused_and_the_former_one_stays
    handler = EM.error_handler(->(error) { @errors << error })
    [42, "text", Object.new].each { |object| assert_raises(ArgumentError) { EM.error_handler(object) } }
    assert_same handler, EM.error_handler
  end

  PLACES = {
    run_block: ->(_, fail) { fail.call },
    timer: ->(_, fail) { EM.add_timer(0, fail) },
    next_tick: ->(_, fail) { EM.next_tick(fail) },
    deferred_callback: ->(_, fail) { EM.defer(-> { nil }, fail) },
    deferred_errback: ->(_, fail) { EM.defer(-> { raise Failure }, nil, fail) },
    connection_completed: ->(test, fail) { test.client(test.server, connection_completed: fail) },
    accepted_initialize: ->(test, fail) { test.client(test.server(initialize: fail)) },
    accepted_post_init: ->(test, fail) { test.client(test.server(post_init: fail)) },
    accepted_block: ->(test, fail) { test.client(test.port_of(EM.start_server("127.0.0.1", 0, &fail))) },
    receive_data: ->(test, fail) { test.client(test.server(receive_data: fail)).send_data("data") },
    unbind: ->(test, fail) { test.client(test.server, unbind: fail).close_connection }
  }.freeze

  PLACES.each do |place, start|
    define_method("test_an_error_in_#{place}_goes_to_the_handler_and_the_loop_continues") do
      failure = Failure.new("in #{place}")
      handle_errors
      continued = false
      reactor do
        as_soon_as(-> { @errors.any? }) { EM.next_tick { EM.stop if (continued = !EM.stopping?) } }
        start.call(self, ->(*) { raise failure })
      end
      assert_equal [failure], @errors
      assert_same failure, @errors.first
      assert continued
    end
  end

  def test_a_connection_survives_errors_in_its_callbacks
    handle_errors
    conversation = nil
    reactor do
      fail_and_echo = lambda do |connection, data|
        connection.send_data(data)
        raise Failure, data
      end
      conversation = talk(server(receive_data: fail_and_echo)) do |socket|
        %w[one two].map do |word|
          socket.write(word)
          socket.read(3)
        end
      end
    end
    assert_equal %w[one two], conversation.value
    assert_equal %w[one two], @errors.map(&:message)
  end

  def test_a_connection_is_established_although_connection_completed_raised
    handle_errors
    connection = nil
    reactor do
      connection = client(port_of(EM.start_server("127.0.0.1", 0, Echo)),
                          connection_completed: ->(_) { raise Failure },
                          receive_data: ->(*) { EM.stop })
      connection.send_data("data")
    end
    assert_equal ["data", 1], [connection.received, @errors.size]
  end

  def test_exceptions_that_are_not_standard_errors_leave_run
    handle_errors
    assert_raises(NotImplementedError) { reactor { EM.next_tick { raise NotImplementedError } } }
    assert_raises(SystemExit) { reactor { EM.add_timer(0) { exit } } }
    assert_empty @errors
  end

  def test_an_error_in_the_handler_leaves_run
    EM.error_handler { |error| raise IOError, "handling #{error.message}" }
    error = assert_raises(IOError) { reactor { EM.add_timer(0) { raise Failure, "it" } } }
    assert_equal "handling it", error.message
    assert_not_running
  end

  def test_the_handler_may_remove_itself
    EM.error_handler do |error|
      @errors << error.message
      EM.error_handler
    end
    error = assert_raises(Failure) do
      reactor { %w[first second].each { |text| EM.next_tick { raise Failure, text } } }
    end
    assert_equal [["first"], "second"], [@errors, error.message]
  end

  def test_the_handler_may_stop
    EM.error_handler { EM.stop }
    assert_nil reactor { EM.next_tick { raise Failure } }
  end

  def test_the_handler_survives_runs
    handle_errors
    2.times do
      reactor do
        EM.next_tick { EM.stop }
        raise Failure
      end
    end
    assert_equal 2, @errors.size
  end

  def test_after_a_tick_that_raises_the_later_ones_run
    handle_errors
    order = []
    reactor do
      EM.next_tick { order << 1 }
      EM.next_tick { raise Failure }
      EM.next_tick { order << 2 }
      EM.next_tick { order << 3 and EM.stop }
    end
    assert_equal [[1, 2, 3], 1], [order, @errors.size]
  end

  def test_after_a_timer_that_raises_others_that_are_due_fire
    handle_errors
    order = []
    reactor do
      EM.add_timer(0.01) { order << 1 }
      EM.add_timer(0.01) { raise Failure }
      EM.add_timer(0.01) { order << 2 and EM.stop }
    end
    assert_equal [[1, 2], 1], [order, @errors.size]
  end

  def test_a_periodic_timer_that_failed_does_not_fire_again
    handle_errors
    firings = 0
    reactor do
      EM.add_periodic_timer(0.005) { (firings += 1) && raise(Failure) }
      EM.add_timer(0.05) { EM.stop }
    end
    assert_equal [1, 1], [firings, @errors.size]
  end

  def test_many_errors_are_all_handled
    handle_errors
    reactor do
      100.times { |i| EM.next_tick { raise Failure, i.to_s } }
      EM.next_tick { EM.stop }
    end
    assert_equal (0...100).map(&:to_s), @errors.map(&:message)
  end
end

class UnbindErrorTest < ReactorTest
  repeat_under_gc_pressure except: [/any_exception_waits/]

  class Failure < StandardError; end

  def test_without_a_handler_the_reactor_stops_unbinds_all_and_run_raises
    unbound = 0
    hook = false
    error = assert_raises(Failure) do
      reactor do
        port = server
        EM.add_shutdown_hook { hook = true }
        2.times { client(port, unbind: ->(*) { unbound += 1 }) }
        client(port, unbind: ->(*) { raise Failure, "in unbind" }).close_connection
      end
    end
    assert_equal ["in unbind", 2, true], [error.message, unbound, hook]
    assert_not_running
  end

  def test_any_exception_waits_for_the_other_unbinds
    [NotImplementedError, SystemExit, Class.new(Exception)].each do |exception|
      unbound = false
      assert_raises(exception) do
        reactor do
          port = server
          client(port, unbind: ->(*) { raise exception }).close_connection
          client(port, unbind: ->(*) { unbound = true })
        end
      end
      assert unbound
    end
  end

  def test_of_several_errors_the_last_one_is_raised
    error = assert_raises(Failure) do
      reactor do
        port = server
        3.times { |i| client(port, unbind: ->(*) { raise Failure, i.to_s }) }
        EM.add_timer(0.02) { EM.stop }
      end
    end
    assert_equal "2", error.message
  end

  def test_the_handler_gets_any_exception_and_the_loop_continues
    errors = []
    EM.error_handler { |error| errors << error.class }
    reactor do
      client(server, unbind: ->(*) { raise NotImplementedError }).close_connection
      as_soon_as(-> { errors.any? }) { EM.stop }
    end
    assert_equal [NotImplementedError], errors
  end

  def test_the_handler_gets_errors_of_the_last_unbinds
    errors = []
    EM.error_handler { |error| errors << error.message }
    reactor do
      client(server, unbind: ->(*) { raise Failure, "late" })
      EM.add_timer(0.01) { EM.stop }
    end
    assert_equal ["late"], errors
  end

  def test_an_error_in_the_handler_stops_unbinds_all_and_run_raises_it
    unbound = false
    EM.error_handler { raise IOError, "handling" }
    error = assert_raises(IOError) do
      reactor do
        port = server
        client(port, unbind: ->(*) { raise Failure }).close_connection
        client(port, unbind: ->(*) { unbound = true })
      end
    end
    assert_equal ["handling", true], [error.message, unbound]
    assert_not_running
  end
end
