# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# Outgoing TCP connections that succeed: what connect returns, when connection_completed is called, what may be sent
# before. For failures see connect_failure_test.rb.

require "test_helper"

class ClientTest < ReactorTest
  repeat_under_gc_pressure except: [/without_blocking/, /many_clients/]

  def test_connect_returns_the_connection_before_it_is_established
    connection = events = nil
    reactor do
      connection = client(server, connection_completed: ->(_) { EM.stop })
      events = connection.events.dup
    end
    assert_kind_of EM::Connection, connection
    assert_equal %i[initialize post_init], events
  end

  def test_connection_completed_is_called_once_and_before_any_data
    connection = nil
    reactor do
      port = server(post_init: ->(accepted) { accepted.send_data("welcome") })
      connection = client(port, receive_data: ->(*) { EM.add_timer(0.02) { EM.stop } })
    end
    assert_equal %i[initialize post_init connection_completed receive_data unbind], connection.events
    assert_equal "welcome", connection.received
  end

  def test_data_sent_before_the_connection_is_established_arrives_in_order
    conversation = nil
    listening = listener
    parts = ["in initialize ", "in post_init ", "after connect ", "when completed"]
    expected = parts.join
    reactor do
      send_next = ->(connection) { connection.send_data(parts.shift) }
      connection = client(listening.local_address.ip_port, initialize: send_next, post_init: send_next,
                                                           connection_completed: send_next)
      send_next.call(connection)
      conversation = Thread.new { ours(listening.accept).read(expected.bytesize) }
      as_soon_as(-> { !conversation.alive? }) { EM.stop }
    end
    assert_equal expected, conversation.value
  end

  def test_the_port_may_be_a_string
    connected = false
    reactor do
      script = { connection_completed: ->(_) { (connected = true) && EM.stop } }
      EM.connect("127.0.0.1", server.to_s, Scripted, script)
    end
    assert connected
  end

  def test_localhost_is_found
    connection = nil
    reactor do
      connection = EM.connect("localhost", server, Scripted, { connection_completed: ->(_) { EM.stop },
                                                               unbind: ->(*) { EM.stop } })
    end
    assert_equal [:connection_completed, nil], [connection.events[2], connection.reason]
  end

  def test_names_resolve_without_blocking_the_loop
    at_best(0.15, attempts: 10) do
      turns = []
      connection = nil
      reactor do
        # Whether it exists or not, and however long the lookup takes, timers fire meanwhile.
        connection = EM.connect("slow-name.example", 9, Scripted)
        connection.pending_connect_timeout = 0.2
        EM.add_periodic_timer(0.005) { turns << now }
        as_soon_as(-> { connection.events.include?(:unbind) && turns.size > 10 }) { EM.stop }
      end
      assert_equal %i[initialize post_init unbind], connection.events
      turns.each_cons(2).map { |one, next_one| next_one - one }.max
    end
  end

  def test_connecting_to_an_ipv6_address
    skip "no IPv6 on this machine" unless Socket.ip_address_list.any?(&:ipv6_loopback?)
    connected = false
    reactor do
      port = port_of(EM.start_server("::1", 0))
      EM.connect("::1", port, Scripted, { connection_completed: ->(_) { (connected = true) && EM.stop } })
    end
    assert connected
  end

  def test_bind_connect_chooses_the_local_address_and_port
    port = free_port
    seen = []
    reactor do
      look = ->(accepted) { (seen << Socket.unpack_sockaddr_in(accepted.get_peername)) && seen.size == 2 && EM.stop }
      to = server(post_init: look)
      EM.bind_connect("127.0.0.1", port, "127.0.0.1", to)
      EM.bind_connect("127.0.0.1", nil, "127.0.0.1", to)
    end
    assert_includes seen, [port, "127.0.0.1"]
    assert_equal 2, seen.uniq.size
  end

  def test_bind_connect_without_an_address_is_connect
    connection = nil
    reactor do
      connection = EM.bind_connect(nil, nil, "127.0.0.1", server, Scripted, { connection_completed: ->(_) { EM.stop } })
    end
    assert_includes connection.events, :connection_completed
  end

  def test_bind_connect_takes_the_family_that_fits
    %w[127.0.0.1 ::1].product(["localhost", "LOCALHOST.", "foo.localhost", ""]) do |host, name|
      seen = nil
      reactor do
        accept = ->(accepted) { (seen = Socket.unpack_sockaddr_in(accepted.get_peername).last) && EM.stop }
        EM.bind_connect(name, 0, host, port_of(EM.start_server(host, 0, Scripted, { post_init: accept })))
      end
      assert_equal host, seen, name
    end
  end

  def test_bind_connect_of_a_path_ignores_the_local_address
    connection = nil
    reactor do
      EM.start_unix_domain_server(socket_path)
      connection = EM.bind_connect("127.0.0.1", 0, socket_path, Scripted, { connection_completed: ->(_) { EM.stop } })
    end
    assert_includes connection.events, :connection_completed
  end

  def test_clients_send_small_packets_at_once
    no_delay = nil
    reactor do
      ask = ->(connection) { (no_delay = connection.get_sock_opt(Socket::IPPROTO_TCP, Socket::TCP_NODELAY)) && EM.stop }
      client(server, connection_completed: ask)
    end
    refute_equal 0, no_delay.unpack1("i")
  end

  def test_many_clients_connect_in_one_turn
    completed = 0
    reactor do
      port = server
      count = ->(_) { EM.stop if (completed += 1) == 50 }
      50.times { client(port, connection_completed: count) }
    end
    assert_equal 50, completed
  end

  def test_a_connection_closed_right_after_connect_is_unbound_once_without_reason
    connection = nil
    reactor do
      connection = client(server)
      connection.close_connection
      as_soon_as(-> { connection.events.include?(:unbind) }) { EM.add_timer(0.02) { EM.stop } }
    end
    assert_equal [1, nil], [connection.events.count(:unbind), connection.reason]
  end
end
