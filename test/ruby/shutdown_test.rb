# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# What EM.stop does, and what happens until EM.run returns: shutdown hooks, tails, the release of connections, in which
# order, and what may be called in between.

require "test_helper"

class ShutdownTest < ReactorTest
  repeat_under_gc_pressure full: true

  def test_stop_returns_nil_may_be_repeated_and_is_seen_at_once
    seen = nil
    reactor { seen = [EM.stop, EM.stop_event_loop, EM.stopping?, EM.reactor_running?] }
    assert_equal [nil, nil, true, true], seen
  end

  def test_hooks_run_last_added_first
    order = []
    EM.add_shutdown_hook { order << :before_run }
    reactor do
      EM.add_shutdown_hook { order << :in_run }
      EM.add_timer(0) do
        EM.add_shutdown_hook { order << :later }
        EM.stop
      end
    end
    assert_equal %i[later in_run before_run], order
  end

  def test_a_hook_or_a_tail_that_cannot_be_called_is_refused_at_once
    ran = false
    assert_raises(ArgumentError) { EM.add_shutdown_hook }
    assert_raises(ArgumentError) { EM.run(-> { ran = true }, "no tail") }
    refute ran
    assert_not_running
    reactor { EM.stop }
  end

  def test_hooks_run_once
    calls = 0
    EM.add_shutdown_hook { calls += 1 }
    2.times { reactor { EM.stop } }
    assert_equal 1, calls
  end

  def test_tails_run_after_all_hooks_the_outer_one_first
    order = []
    nested = -> { EM.run(-> { order << :nested }, -> { order << :nested_tail }) }
    block = lambda do
      nested.call
      2.times { |i| EM.add_shutdown_hook { order << i } }
      EM.stop
    end
    EM.run(block, -> { order << :outer_tail })
    assert_equal [:nested, 1, 0, :outer_tail, :nested_tail], order
  end

  def test_hooks_may_use_the_reactor
    seen = nil
    reactor do
      port = server
      EM.add_shutdown_hook do
        seen = [EM.reactor_running?, EM.reactor_thread?, EM.connection_count, EM.add_timer(1) { nil }.class]
        client(port)
        EM.stop
      end
      EM.stop
    end
    assert_equal [true, true, 1, Integer], seen
  end

  def test_an_error_in_a_hook_skips_neither_hooks_nor_release_and_is_raised
    order = []
    error = assert_raises(RuntimeError) do
      reactor do
        client(server, unbind: ->(*) { order << :unbind })
        EM.add_shutdown_hook { order << :first_added }
        EM.add_shutdown_hook { raise "second error" }
        EM.add_shutdown_hook { raise "first error" }
        EM.stop
      end
    end
    assert_equal "first error", error.message
    assert_equal %i[first_added unbind], order
    assert_not_running
    reactor { EM.stop }
  end

  def test_unbind_is_called_without_reason_for_every_connection_when_the_reactor_stops
    connections = []
    reactor do
      accepted = ->(connection) { connections << connection }
      port = server(post_init: accepted)
      5.times { connections << client(port) }
      as_soon_as(-> { connections.size == 10 }) { EM.stop }
    end
    assert_equal [nil], connections.map(&:reason).uniq
    assert_equal [:unbind], connections.map { |connection| connection.events.last }.uniq
    assert_equal [1], connections.map { |connection| connection.events.count(:unbind) }.uniq
  end

  def test_connections_are_released_in_creation_order_after_those_that_were_never_polled
    order = []
    reactor do
      port = server
      note = ->(connection, _) { order << connection.signature }
      old = Array.new(3) { client(port, unbind: note).signature }
      EM.add_shutdown_hook { old.unshift(client(port, unbind: note).signature) }
      EM.add_shutdown_hook { order << old }
      EM.add_timer(0.02) { EM.stop }
    end
    expected, *released = order
    assert_equal expected, released
  end

  def test_in_the_last_unbinds_the_reactor_still_runs_but_opens_nothing_new
    seen = nil
    late = []
    reactor do
      ask = lambda do |*|
        seen = [EM.reactor_running?, EM.stopping?, EM.reactor_thread?]
        EM.add_timer(0) { late << :timer }
        EM.next_tick { late << :tick }
      end
      client(server, connection_completed: ->(_) { EM.stop }, unbind: ask)
    end
    assert_equal [true, true, true], seen
    reactor { EM.add_timer(0.02) { EM.stop } }
    assert_empty late
  end

  def test_connecting_in_the_last_unbinds_ends_at_once_and_the_run_returns
    unbound = 0
    reactor do
      port = server
      again = lambda do |*|
        unbound += 1
        client(port, unbind: again)
      end
      client(port, unbind: again)
      EM.add_timer(0.02) { EM.stop }
    end
    assert_operator unbound, :>=, 2
    assert_not_running
  end

  def test_sockets_are_closed_and_unsent_data_dropped
    data = "x" * 30_000_000
    peer = nil
    reactor do
      flood = lambda do |connection|
        connection.send_data(data)
        EM.stop
      end
      peer = peer(server(post_init: flood))
    end
    received = 0
    received += peer.readpartial(100_000).bytesize while true
  rescue EOFError, Errno::ECONNRESET
    assert_operator received, :<, data.bytesize
  end

  def test_data_sent_just_before_stop_is_still_sent
    peer = nil
    reactor do
      goodbye = lambda do |connection|
        EM.add_timer(0) do
          connection.send_data("goodbye")
          EM.stop
        end
      end
      peer = peer(server(post_init: goodbye))
    end
    assert_equal "goodbye", peer.read
  end

  def test_the_thread_pool_ends_with_the_run
    pool = nil
    reactor { EM.defer(-> { nil }, ->(_) { (pool = EM.threadpool) && EM.stop }) }
    assert_nil EM.threadpool
    assert_empty(pool.reject { |thread| thread.join(1) })
  end

  def test_stop_does_not_cut_short_the_ticks_of_its_turn
    order = []
    reactor do
      EM.next_tick { order << :stop and EM.stop }
      EM.next_tick { order << :next }
    end
    assert_equal %i[stop next], order
  end
end

class StopAnywhereTest < ReactorTest
  repeat_under_gc_pressure

  STOP = ->(*) { EM.stop }
  PLACES = {
    run_block: ->(_) { EM.stop },
    timer: ->(_) { EM.add_timer(0.01) { EM.stop } },
    periodic_timer: ->(_) { EM.add_periodic_timer(0.01) { EM.stop } },
    next_tick: ->(_) { EM.next_tick { EM.stop } },
    nested_run: ->(_) { EM.run { EM.stop } },
    another_thread: ->(_) { Thread.new { EM.stop } },
    deferred_operation: ->(_) { EM.defer { EM.stop } },
    deferred_callback: ->(_) { EM.defer(-> { nil }, STOP) },
    deferred_errback: ->(_) { EM.defer(-> { raise "failed" }, nil, STOP) },
    client_initialize: ->(test) { test.client(test.server, initialize: STOP) },
    client_post_init: ->(test) { test.client(test.server, post_init: STOP) },
    client_block: ->(test) { EM.connect("127.0.0.1", test.server, &STOP) },
    connection_completed: ->(test) { test.client(test.server, connection_completed: STOP) },
    accepted_initialize: ->(test) { test.client(test.server(initialize: STOP)) },
    accepted_post_init: ->(test) { test.client(test.server(post_init: STOP)) },
    accepted_block: ->(test) { test.client(test.port_of(EM.start_server("127.0.0.1", 0, &STOP))) },
    receive_data: ->(test) { test.client(test.server(receive_data: STOP)).send_data("data") },
    unbind: ->(test) { test.client(test.server, unbind: STOP).close_connection },
    failed_connect: ->(test) { test.client(test.closed_port, unbind: STOP) }
  }.freeze

  PLACES.each do |place, start|
    define_method("test_stop_works_in_#{place}") do
      stopping = nil
      reactor do
        EM.add_shutdown_hook { stopping = EM.stopping? }
        start.call(self)
      end
      assert stopping
      assert_not_running
    end
  end
end
