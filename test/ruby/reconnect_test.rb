# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# Reusing a connection object for another connection: the idiom of clients that must not give up.

require "test_helper"

class ReconnectTest < ReactorTest
  repeat_under_gc_pressure full: true

  def test_reconnecting_from_unbind_makes_a_new_connection_of_the_same_object
    signatures = []
    connection = nil
    reactor do
      port = server
      again = ->(it, _) { assert_same(it, it.reconnect("127.0.0.1", port)) unless EM.stopping? }
      completed = lambda do |it|
        signatures << it.signature
        signatures.size == 2 ? EM.stop : it.close_connection
      end
      connection = client(port, connection_completed: completed, unbind: again)
    end
    assert_equal %i[initialize post_init connection_completed unbind connection_completed unbind], connection.events
    assert_operator signatures[0], :<, signatures[1]
  end

  def test_a_reconnected_object_sends_and_receives
    connection = nil
    reactor do
      port = port_of(EM.start_server("127.0.0.1", 0, Echo))
      again = ->(it, _) { it.reconnect("127.0.0.1", port).send_data("second") if it.events.count(:unbind) == 1 }
      got = ->(it, data) { data == "second" ? EM.stop : it.close_connection }
      connection = client(port, unbind: again, receive_data: got)
      connection.send_data("first ")
    end
    assert_equal "first second", connection.received
  end

  def test_a_client_that_keeps_trying_reaches_its_server_in_the_end
    attempts = 0
    connection = nil
    port = free_port
    reactor do
      again = lambda do |it, reason|
        assert_equal Errno::ECONNREFUSED, reason unless EM.stopping?
        EM.add_timer(0.005) { EM.reconnect("127.0.0.1", port, it) }
        EM.start_server("127.0.0.1", port) if (attempts += 1) == 5
      end
      connection = client(port, unbind: again, connection_completed: ->(_) { EM.stop })
    end
    assert_operator attempts, :>=, 5
    assert_equal 1, connection.events.count(:connection_completed)
  end

  def test_em_reconnect_yields_and_returns_the_instance
    given = returned = connection = nil
    reactor do
      port = server
      again = lambda do |it, _|
        returned = EM.reconnect("127.0.0.1", port, it) { |yielded| given = yielded }
        EM.stop
      end
      connection = client(port, unbind: ->(*args) { again.call(*args) unless given })
      connection.close_connection
    end
    assert_same connection, given
    assert_same connection, returned
  end

  def test_a_connection_that_is_still_connected_is_left_alone
    reactor do
      port = server
      connection = client(port)
      signature = connection.signature
      assert_same connection, EM.reconnect("127.0.0.1", port, connection) { flunk "called" }
      assert_equal [signature, 2], [connection.signature, EM.connection_count]
      EM.stop
    end
  end

  def test_an_object_may_reconnect_to_a_path
    connection = nil
    reactor do
      EM.start_unix_domain_server(socket_path, Echo)
      again = ->(it, _) { it.reconnect(socket_path, nil).send_data("again") if it.events.count(:unbind) == 1 }
      connection = EM.connect_unix_domain(socket_path, Scripted, { unbind: again, receive_data: ->(*) { EM.stop } })
      connection.close_connection
    end
    assert_equal "again", connection.received
  end

  def test_an_object_that_is_not_a_connection_is_refused
    reactor do
      error = assert_raises(RuntimeError) { EM.reconnect("127.0.0.1", server, Object.new) }
      assert_equal "invalid handler", error.message
      EM.stop
    end
  end

  def test_reconnecting_raises_what_connect_raises
    errors = []
    reactor do
      again = lambda do |it, _|
        errors << assert_raises(EM::ConnectionError) { it.reconnect("host.invalid", 80) }.message
        errors << assert_raises(EM::ConnectionError) { it.reconnect("127.0.0.1", 0) }.message
        EM.stop
      end
      client(server, unbind: again).close_connection
    end
    assert_match(/\Aunable to resolve address: ./, errors.first)
    assert_equal "invalid server or port", errors.last
  end

  def test_timeouts_are_not_carried_over
    timeouts = nil
    reactor do
      port = server
      again = lambda do |it, _|
        next if timeouts

        it.reconnect("127.0.0.1", port)
        timeouts = [it.comm_inactivity_timeout, it.pending_connect_timeout]
        EM.stop
      end
      connection = client(port, unbind: again)
      connection.comm_inactivity_timeout = 5.0
      connection.pending_connect_timeout = 6.0
      connection.close_connection
    end
    assert_equal [0.0, 20.0], timeouts
  end
end
