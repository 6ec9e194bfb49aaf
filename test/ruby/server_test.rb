# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# TCP servers: where they listen, what is refused and with which text, accepting, stopping.

require "test_helper"

class ServerTest < ReactorTest
  repeat_under_gc_pressure except: [/a_hundred_clients/]

  NO_ACCEPTOR = "no acceptor (port is in use or requires root privileges)"

  # Runs the block in a reactor.
  # @return what it returned
  def inside
    result = nil
    reactor do
      result = yield
      EM.stop
    end
    result
  end

  def assert_no_acceptor(*arguments)
    error = inside { assert_raises(RuntimeError) { EM.start_server(*arguments) } }
    assert_equal [RuntimeError, NO_ACCEPTOR], [error.class, error.message]
  end

  # @return what the echo server that the block starts sends back for "hello"
  def echo_of(port = nil)
    conversation = nil
    reactor do
      signature = yield
      conversation = talk(port || port_of(signature)) { |socket| socket.write("hello") && socket.read(5) }
    end
    conversation.value
  end

  def test_for_port_0_the_kernel_chooses_one_and_get_sockname_returns_it
    assert_kind_of Integer, inside { EM.start_server("127.0.0.1", 0) }
    assert_equal "hello", echo_of { EM.start_server("127.0.0.1", 0, Echo) }
  end

  def test_the_port_may_be_a_string
    port = free_port
    assert_equal "hello", echo_of(port) { EM.start_server("127.0.0.1", port.to_s, Echo) }
  end

  def test_an_empty_host_means_all_addresses
    host = inside { Socket.unpack_sockaddr_in(EM.get_sockname(EM.start_server("", 0))).last }
    assert_equal "0.0.0.0", host
  end

  def test_the_host_may_be_a_name
    assert_equal "hello", echo_of { EM.start_server("localhost", 0, Echo) }
  end

  def test_a_name_means_all_its_addresses
    skip "no IPv6 on this machine" unless Socket.ip_address_list.any?(&:ipv6_loopback?)
    hosts = %w[127.0.0.1 ::1]
    accepted = []
    reactor do
      port = port_of(EM.start_server("localhost", 0) { (accepted << _1) && (EM.stop if accepted.size == 2) })
      hosts.each { |host| EM.connect(host, port) }
    end
    assert_equal 2, accepted.size
  end

  def test_a_port_can_be_served_again_as_soon_as_its_server_has_stopped
    ports = inside do
      port = free_port
      Array.new(3) { EM.start_server("localhost", port).then { |sig| port_of(sig).tap { EM.stop_server(sig) } } }
    end
    assert_equal 1, ports.uniq.size
  end

  def test_the_host_may_be_an_ipv6_address
    skip "no IPv6 on this machine" unless Socket.ip_address_list.any?(&:ipv6_loopback?)
    received = nil
    reactor do
      port, host = Socket.unpack_sockaddr_in(EM.get_sockname(EM.start_server("::1", 0, Echo)))
      EM.connect(host, port, Scripted, { receive_data: ->(_, data) { (received = data) && EM.stop } }).send_data("six")
    end
    assert_equal "six", received
  end

  def test_a_port_in_use_is_refused
    assert_no_acceptor "127.0.0.1", listener.local_address.ip_port
  end

  def test_a_port_beyond_65535_is_refused
    assert_no_acceptor "127.0.0.1", 65_536
    assert_no_acceptor "127.0.0.1", 2**70
    assert_no_acceptor "127.0.0.1", 65_536 + free_port
    assert_no_acceptor "127.0.0.1", 2**40
  end

  def test_an_address_of_another_machine_is_refused
    assert_no_acceptor "192.0.2.1", 0
  end

  def test_a_host_that_cannot_exist_is_refused
    assert_no_acceptor "host.invalid", 0
    assert_no_acceptor "300.1.2.3", 0
  end

  def test_a_host_that_is_not_a_string_is_a_type_error
    [nil, 42, :localhost].each do |host|
      inside { assert_raises(TypeError) { EM.start_server(host, 0) } }
    end
  end

  def test_every_accepted_connection_gets_the_arguments
    scripts = []
    reactor do
      script = { post_init: ->(accepted) { scripts << accepted } }
      port = port_of(EM.start_server("127.0.0.1", 0, Scripted, script))
      3.times { client(port) }
      as_soon_as(-> { scripts.size == 3 }) { EM.stop }
    end
    assert_equal 3, scripts.map(&:signature).uniq.size
  end

  def test_a_hundred_clients_that_connect_at_once_are_all_served
    conversation = nil
    reactor do
      port = port_of(EM.start_server("127.0.0.1", 0, Echo))
      conversation = talk(port) do |_|
        sockets = Array.new(100) { peer(port) }
        sockets.each_with_index { |socket, i| socket.write(format("%04d", i)) }
        sockets.map { |socket| socket.read(4).to_i }
      end
    end
    assert_equal (0...100).to_a, conversation.value
  end

  def test_stop_server_keeps_its_connections_and_refuses_new_ones
    conversation = nil
    result = :none
    reactor do
      signature = EM.start_server("127.0.0.1", 0, Echo)
      port = port_of(signature)
      conversation = talk(port) do |socket|
        before = socket.write("one") && socket.read(3)
        stopped = Thread::Queue.new
        EM.next_tick do
          result = EM.stop_server(signature)
          EM.add_timer(0.02) { stopped << true }
        end
        stopped.pop
        [before, socket.write("two") && socket.read(3), assert_raises(Errno::ECONNREFUSED) { peer(port) }.class]
      end
    end
    assert_equal ["one", "two", Errno::ECONNREFUSED], conversation.value
    assert_nil result
  end

  def test_a_stopped_servers_port_may_be_used_again_at_once
    port = free_port
    restarted = nil
    reactor do
      EM.stop_server(EM.start_server("127.0.0.1", port))
      EM.add_timer(0.01) do
        restarted = port_of(EM.start_server("127.0.0.1", port))
        EM.stop
      end
    end
    assert_equal port, restarted
  end

  def test_a_port_may_be_used_again_after_its_connections_were_closed_here
    port = free_port
    2.times do
      reactor do
        EM.start_server("127.0.0.1", port, Scripted, { post_init: lambda(&:close_connection) })
        talk(port, &:read)
      end
    end
    assert_equal port, inside { port_of(EM.start_server("127.0.0.1", port)) }
  end

  def test_stopping_an_unknown_server_is_an_error
    inside { assert_raises(RuntimeError) { EM.stop_server(123_456_789) } }
    inside { assert_raises(TypeError) { EM.stop_server("server") } }
  end

  def test_close_connection_stops_a_server_too
    counts = []
    reactor do
      signature = EM.start_server("127.0.0.1", 0)
      counts << EM.connection_count
      EM.close_connection(signature, false)
      as_soon_as(-> { EM.connection_count.zero? }) { (counts << EM.connection_count) && EM.stop }
    end
    assert_equal [1, 0], counts
  end

  def test_simultaneous_accept_count_is_ten_and_at_least_one
    assert_equal 10, EM.get_simultaneous_accept_count
    assert_nil EM.set_simultaneous_accept_count(25)
    assert_equal 25, inside { EM.get_simultaneous_accept_count }
    [0, -3].each do |count|
      EM.set_simultaneous_accept_count(count)
      assert_equal 1, EM.get_simultaneous_accept_count
    end
    assert_equal "hello", echo_of { EM.start_server("127.0.0.1", 0, Echo) }
  end

  def test_accepted_sockets_send_small_packets_at_once
    no_delay = nil
    reactor do
      ask = ->(accepted) { (no_delay = accepted.get_sock_opt(Socket::IPPROTO_TCP, Socket::TCP_NODELAY)) && EM.stop }
      client(server(post_init: ask))
    end
    refute_equal 0, no_delay.unpack1("i")
  end

  def test_programs_started_meanwhile_inherit_no_socket
    skip "needs /proc" unless File.directory?("/proc/self/fd")
    sockets = -> { IO.popen(%w[ls -l /proc/self/fd], close_others: false, &:read).scan(/socket:\[\d+\]|anon_inode:.*/) }
    before = sockets.call
    meanwhile = nil
    reactor do
      client(server(post_init: ->(_) { (meanwhile = sockets.call) && EM.stop }))
    end
    assert_equal before, meanwhile
  end
end
