# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# The state of a connection and of the reactor: addresses, socket options, counts, idle time, errors.

require "test_helper"

class AddressTest < ReactorTest
  repeat_under_gc_pressure

  def test_closing_never_waits_for_linger
    long = [1, 10_000].pack("ii")
    set = lambda do |accepted|
      accepted.set_sock_opt(Socket::SOL_SOCKET, Socket::SO_LINGER, long)
      accepted.send_data("x" * 16_000_000)
      EM.next_tick { accepted.close_connection }
    end
    port = nil
    reactor do
      port = server(post_init: set, unbind: ->(*) { EM.stop })
      ours(TCPSocket.new("127.0.0.1", port))
    end
    assert_not_running
  end

  def test_both_ends_know_both_addresses
    at_client = at_server = nil
    reactor do
      names = ->(it) { [it.get_sockname, it.get_peername].map { |name| Socket.unpack_sockaddr_in(name) } }
      port = server(post_init: ->(it) { at_server = names.call(it) })
      client(port, connection_completed: ->(it) { at_client = names.call(it) })
      as_soon_as(-> { at_client && at_server }) { EM.stop }
    end
    assert_equal at_client, at_server.reverse
    assert_equal ["127.0.0.1"] * 2, at_client.map(&:last)
  end

  def test_addresses_are_binary_strings_of_the_kernels_length
    name = nil
    reactor { client(server, connection_completed: ->(it) { (name = it.get_peername) && EM.stop }) }
    assert_equal [Encoding::BINARY, 16], [name.encoding, name.bytesize]
  end

  def test_in_unbind_addresses_are_the_last_known_ones_or_nil
    told = known = nil
    reactor do
      remember = ->(it) { (known = [it.get_peername, it.get_sockname]) && it.close_connection }
      tell = ->(it, _) { (told = [it.get_peername, it.get_sockname]) && EM.stop }
      client(server, connection_completed: remember, unbind: tell)
    end
    told.zip(known) { |now, before| assert_includes [nil, before], now }
  end

  def test_in_unbind_after_a_failure_asking_is_harmless
    told = nil
    reactor do
      ask = lambda do |it, _|
        told = [it.get_idle_time, it.get_outbound_data_size]
        [-> { it.get_peername }, -> { it.get_sockname }, -> { it.error? }].each do |question|
          question.call
        rescue RuntimeError => e
          assert_match(/not connected/, e.message)
        end
        EM.stop
      end
      client(closed_port, unbind: ask)
    end
    assert_equal 0, told.last
  end

  def test_a_pending_connection_has_no_peer_yet
    port = unresponsive_port
    reactor do
      error = assert_raises(RuntimeError) { client(port).get_peername }
      assert_equal "unable to get peer name: Transport endpoint is not connected", error.message
      EM.stop
    end
  end
end

class SocketOptionTest < ReactorTest
  repeat_under_gc_pressure

  KEEPALIVE = [Socket::SOL_SOCKET, Socket::SO_KEEPALIVE].freeze
  TCP = Socket::IPPROTO_TCP

  def with_connection
    reactor do
      client(server, connection_completed: ->(it) { yield(it) || EM.stop })
    end
  end

  def option(connection, level, name)
    connection.get_sock_opt(level, name).unpack1("i")
  end

  def test_options_may_be_set_and_read
    with_connection do |it|
      assert_equal 0, it.set_sock_opt(*KEEPALIVE, true)
      assert_equal [1].pack("i"), it.get_sock_opt(*KEEPALIVE)
      assert_equal 0, it.set_sock_opt(*KEEPALIVE, false)
      assert_equal [0].pack("i"), it.get_sock_opt(*KEEPALIVE)
      assert_equal 0, it.set_sock_opt(*KEEPALIVE, 1)
      assert_equal 0, it.set_sock_opt(Socket::SOL_SOCKET, Socket::SO_LINGER, [1, 5].pack("ii"))
      assert_equal [1, 5], it.get_sock_opt(Socket::SOL_SOCKET, Socket::SO_LINGER).unpack("ii")
      EM.stop
    end
  end

  def test_wrong_options_are_errors_of_the_system
    with_connection do |it|
      assert_match(/getsockopt\z/, assert_raises(Errno::ENOPROTOOPT) { it.get_sock_opt(TCP, 9999) }.message)
      assert_match(/setsockopt\z/, assert_raises(Errno::ENOPROTOOPT) { it.set_sock_opt(TCP, 9999, 1) }.message)
      assert_raises(TypeError) { it.set_sock_opt(*KEEPALIVE, nil) }
      assert_raises(TypeError) { it.get_sock_opt("level", 1) }
      EM.stop
    end
  end

  def test_options_may_be_set_while_connecting
    port = unresponsive_port
    reactor do
      connection = client(port)
      connection.set_sock_opt(*KEEPALIVE, true)
      assert_equal 1, option(connection, *KEEPALIVE)
      EM.stop
    end
  end

  # There is no socket before the name is resolved.
  def test_options_may_be_set_in_post_init_also_with_a_name
    read = early = nil
    in_post_init = lambda do |it|
      assert_equal [0, 0], [it.set_sock_opt(*KEEPALIVE, true), it.enable_keepalive(31, 7, 4)]
      assert_raises(Errno::ENOPROTOOPT) { it.set_sock_opt(TCP, 9999, 1) }
      assert_raises(Errno::ENOPROTOOPT) { it.get_sock_opt(TCP, 9999) }
      early = option(it, TCP, Socket::TCP_KEEPIDLE)
    end
    completed = lambda do |it|
      read = [option(it, *KEEPALIVE), option(it, TCP, Socket::TCP_KEEPIDLE), option(it, TCP, Socket::TCP_NODELAY)]
      EM.stop
    end
    reactor { EM.connect("localhost", server, Scripted, { post_init: in_post_init, connection_completed: completed }) }
    assert_equal [31, [1, 31, 1]], [early, read]
  end

  def test_keepalive_with_its_times
    with_connection do |it|
      assert_equal 0, it.enable_keepalive(31, 7, 4)
      values = [Socket::TCP_KEEPIDLE, Socket::TCP_KEEPINTVL, Socket::TCP_KEEPCNT].map { |name| option(it, TCP, name) }
      assert_equal [1, 31, 7, 4], [option(it, *KEEPALIVE), *values]
      assert_equal 0, it.disable_keepalive
      assert_equal 0, option(it, *KEEPALIVE)
      EM.stop
    end
  end

  def test_keepalive_leaves_what_is_not_given
    with_connection do |it|
      before = option(it, TCP, Socket::TCP_KEEPIDLE)
      assert_equal [0, 0, 0], [it.enable_keepalive, it.enable_keepalive(nil, 9), it.enable_keepalive(0, nil, 0)]
      assert_equal [before, 9], [option(it, TCP, Socket::TCP_KEEPIDLE), option(it, TCP, Socket::TCP_KEEPINTVL)]
      EM.stop
    end
  end

  def test_keepalive_out_of_range_says_what_failed
    with_connection do |it|
      message = assert_raises(RuntimeError) { it.enable_keepalive(1_000_000) }.message
      assert_match(/\Aunable set keepalive idle: ./, message)
      EM.stop
    end
  end
end

class CountTest < ReactorTest
  repeat_under_gc_pressure except: [/idle_time/]

  def test_connections_and_servers_are_counted_at_once_timers_are_not
    counts = []
    reactor do
      count = -> { counts << EM.connection_count << EM.get_connection_count }
      count.call
      port = server
      EM.add_timer(60) { nil }
      count.call
      connection = client(port)
      count.call
      connection.close_connection
      as_soon_as(-> { EM.connection_count == 1 }) { EM.stop }
    end
    assert_equal [0, 0, 1, 1, 2, 2], counts
  end

  def test_scheduled_closes_are_counted_once_each_and_never_negative
    counts = []
    reactor do
      count = -> { counts << EM.num_close_scheduled }
      count.call
      connections = Array.new(2) { client(server, unbind: ->(*) { count.call }) }
      2.times { connections.first.close_connection }
      count.call
      connections.last.close_connection_after_writing
      count.call
      as_soon_as(-> { connections.all? { |it| it.events.include?(:unbind) } }) do
        EM.add_timer(0.02) { count.call && EM.stop }
      end
    end
    assert_equal [0, 1, 2], counts.first(3)
    assert_operator counts[3], :>=, 1
    assert_equal 0, counts.last
  end

  def test_after_resets_no_close_is_scheduled
    counts = []
    reactor do
      port = server
      3.times { reset(peer(port)) }
      EM.add_periodic_timer(0.005) { (counts << EM.num_close_scheduled) && counts.size == 10 && EM.stop }
    end
    assert_operator counts.min, :>=, 0
    assert_equal 0, counts.last
  end

  def test_idle_time_grows_until_something_moves
    # 0.05 s after the latest activity, 0.15 s after the beginning.
    at_best(0.05) do
      idle = []
      reactor do
        port = server(receive_data: ->(it, _) { idle << it.get_idle_time },
                      post_init: ->(it) { EM.add_timer(0.1) { (idle << it.get_idle_time) && it.send_data("go") } })
        talk(port) do |socket|
          socket.read(2)
          sleep 0.05
          socket.write("x")
          wait_until { idle.size == 2 }
        end
      end
      assert_operator idle[0], :>, 0.06
      idle[1]
    end
  end

  def test_a_healthy_connection_has_no_error_and_a_closed_one_has
    answers = []
    reactor do
      ask = ->(it) { answers << it.error? }
      connection = client(server, connection_completed: ->(it) { ask.call(it) && it.close_connection })
      as_soon_as(-> { connection.events.include?(:unbind) }) { ask.call(connection) && EM.stop }
    end
    assert_equal [false, true], answers
  end

  def test_the_pending_error_of_a_paused_connection_is_returned
    answers = []
    listening = listener
    reactor do
      connection = client(listening.local_address.ip_port, connection_completed: lambda { |it|
        it.pause
        reset(listening.accept)
      })
      EM.add_timer(0.05) { (answers << connection.error?) && EM.stop }
    end
    assert_includes [Errno::ECONNRESET, true], answers.first
  end

  def test_the_error_status_of_a_healthy_connection_is_0
    reactor do
      client(server, connection_completed: lambda { |it|
        assert_equal 0, EM.report_connection_error_status(it.signature)
        EM.stop
      })
    end
  end
end
