# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# Datagram sockets: what arrives, what leaves, and how they end.

require "test_helper"
require "ipaddr"
require "socket"

class DatagramTest < ReactorTest
  repeat_under_gc_pressure except: [/flood/]

  # Records what happens to it.
  class Recorder < EventMachine::Connection
    attr_reader :received, :reasons, :peers

    def initialize(*)
      super
      @received = []
      @peers = []
      @reasons = []
    end

    def receive_data(data)
      @received << data
      @peers << get_peername
      @on_data&.call(data)
    end

    def on_data(&block)
      @on_data = block
      self
    end

    def unbind(reason)
      @reasons << reason
      @on_unbind&.call(reason)
    end

    def on_unbind(&block)
      @on_unbind = block
      self
    end

    def port
      Socket.unpack_sockaddr_in(get_sockname).first
    end
  end

  def open(host = "127.0.0.1", port = 0)
    EventMachine.open_datagram_socket(host, port, Recorder)
  end

  def test_datagrams_are_echoed_by_send_data_over_ipv4_and_ipv6
    %w[127.0.0.1 ::1].each do |host|
      client = nil
      reactor do
        server = open(host)
        server.on_data { |data| server.send_data("<#{data}>") }
        client = open(host)
        client.on_data { EM.stop if client.received.size == 3 }
        ["a", "", "ccc"].each { |text| assert_equal text.bytesize, client.send_datagram(text, host, server.port) }
      end
      assert_equal ["<a>", "<>", "<ccc>"], client.received
      assert_equal [Encoding::BINARY], client.received.map(&:encoding).uniq
    end
  end

  def test_empty_datagrams_are_received_in_their_place
    server = nil
    reactor do
      server = open
      server.on_data { EM.stop if server.received.size == 4 }
      client = open
      ["", "x", "", "y"].each { |text| client.send_datagram(text, "127.0.0.1", server.port) }
    end
    assert_equal ["", "x", "", "y"], server.received
  end

  def test_get_peername_is_the_sender_of_the_datagram_and_has_28_bytes
    ports = []
    server = nil
    reactor do
      server = open
      assert_equal "\0" * 28, server.get_peername
      server.on_data { EM.stop if server.received.size == 16 }
      clients = Array.new(8) { open }
      2.times { clients.each { |client| client.send_datagram(client.port.to_s, "127.0.0.1", server.port) } }
      ports = clients.map(&:port)
    end
    assert_equal (ports * 2).map(&:to_s).sort, server.received.sort
    assert_equal server.received, (server.peers.map { |peer| Socket.unpack_sockaddr_in(peer).first.to_s })
    assert_equal [28], server.peers.map(&:bytesize).uniq
  end

  def test_the_largest_datagram_arrives_whole_and_a_larger_one_ends_the_socket_after_those_before
    server = client = nil
    reactor do
      server = open
      client = open
      client.on_unbind { EM.add_timer(0.05) { EM.stop } }
      assert_equal 65_507, client.send_datagram("x" * 65_507, "127.0.0.1", server.port)
      assert_equal 65_508, client.send_datagram("y" * 65_508, "127.0.0.1", server.port)
    end
    assert_equal [65_507], server.received.map(&:bytesize)
    assert_equal [Errno::EMSGSIZE], client.reasons
  end

  def test_more_than_any_datagram_can_hold_ends_the_socket_likewise
    client = nil
    reactor do
      client = open.on_unbind { EM.stop }
      assert_equal 70_000, client.send_datagram("y" * 70_000, "127.0.0.1", 9)
    end
    assert_equal [Errno::EMSGSIZE], client.reasons
  end

  def test_an_answer_before_any_datagram_ends_the_socket
    client = nil
    reactor do
      client = open.on_unbind { EM.stop }
      assert_equal 5, client.send_data("hello")
      assert_equal 0, client.send_data("late")
    end
    assert_equal [Errno::EINVAL], client.reasons
  end

  def test_what_the_network_reports_ends_nothing
    server = nil
    gone = UDPSocket.new.tap { |socket| socket.bind("127.0.0.1", 0) }
    port = gone.addr[1]
    gone.close
    reactor do
      server = open
      server.on_data { |data| EM.stop if data == "still here" }
      5.times { server.send_datagram("to nobody", "127.0.0.1", port) }
      EM.add_timer(0.02) { server.send_datagram("still here", "127.0.0.1", server.port) }
    end
    assert_equal ["still here"], server.received
    assert_equal [nil], server.reasons
  end

  def test_arguments_that_send_nothing_and_those_that_raise
    reactor do
      server = open
      assert_equal 0, server.send_datagram("x", "", 5)
      assert_equal 0, server.send_datagram("x", "127.0.0.1", 0)
      assert_equal 3, server.send_datagram(123, "127.0.0.1", server.port.to_s)
      assert_raises(ArgumentError) { server.send_datagram("x", "127.0.0.1", "domain") }
      ["x.invalid", "a b", "::1", "127.0.0.1:80", "fe80::1%nowhere"].each do |address|
        error = assert_raises(EM::ConnectionError, address) { server.send_datagram("x", address, 5) }
        assert_equal "error in sending datagram", error.message
      end
      [-1, 65_536, 2**70].each do |port|
        assert_raises(EM::ConnectionError) { server.send_datagram("x", "127.0.0.1", port) }
      end
      server.on_data { EM.stop }
    end
  end

  def test_other_connections_do_not_send_datagrams
    reactor do
      connection = EM.connect("127.0.0.1", 9)
      error = assert_raises(EM::ConnectionError) { connection.send_datagram("x", "127.0.0.1", 5) }
      assert_equal "error in sending datagram", error.message
      EM.stop
    end
  end

  def test_a_socket_that_cannot_be_opened_raises
    reactor do
      ["192.0.2.1", "x.invalid", "1.2.3", "no such host"].each do |address|
        error = assert_raises(RuntimeError, address) { open(address) }
        assert_equal "no datagram socket", error.message
      end
      assert_raises(RuntimeError) { open("127.0.0.1", 65_536) }
      assert_raises(TypeError) { open(nil) }
      assert_raises(ArgumentError) { EM.open_datagram_socket("127.0.0.1", 0, Object) }
      EM.stop
    end
  end

  def test_a_second_socket_may_be_bound_to_the_same_port
    reactor do
      port = open.port
      assert_equal port, open("127.0.0.1", port).port
      EM.stop
    end
  end

  def test_an_answer_comes_from_the_address_that_was_asked
    client = nil
    reactor do
      server = open("0.0.0.0")
      server.on_data { |data| server.send_data(data) }
      client = open("127.0.0.1")
      client.on_data { EM.stop }
      client.send_datagram("x", "127.0.0.2", server.port)
    end
    assert_equal "127.0.0.2", Socket.unpack_sockaddr_in(client.peers.first).last
  end

  def test_an_ipv6_socket_talks_to_ipv4_peers
    client = nil
    reactor do
      server = open("::")
      server.on_data { |data| server.send_data(data) }
      client = open("127.0.0.1")
      client.on_data { EM.stop }
      client.send_datagram("x", "127.0.0.1", server.port)
      server.send_datagram("", "127.0.0.1", client.port)
    end
    refute_empty client.received
  end

  def test_pause_stops_delivery_until_resume_and_loses_nothing
    server = nil
    at_resume = nil
    reactor do
      server = open
      server.on_data do
        assert server.pause if server.received.size == 2
        EM.stop if server.received.size == 6
      end
      6.times { |i| server.send_datagram(i.to_s, "127.0.0.1", server.port) }
      EM.add_timer(0.05) do
        at_resume = server.received.size
        assert server.paused?
        assert server.resume
        refute server.paused?
      end
    end
    assert_equal 2, at_resume
    assert_equal %w[0 1 2 3 4 5], server.received
  end

  def test_close_after_writing_sends_what_is_queued
    server = client = nil
    reactor do
      server = open
      server.on_data { EM.stop if server.received.size == 50 }
      client = open
      50.times { client.send_datagram("x", "127.0.0.1", server.port) }
      assert_equal 50, client.get_outbound_data_size
      client.close_connection_after_writing
      assert_equal 0, client.send_datagram("late", "127.0.0.1", server.port)
    end
    assert_equal 50, server.received.size
    assert_equal [nil], client.reasons
  end

  def test_the_inactivity_timeout_ends_it_without_a_reason_and_zero_turns_it_off
    ended = kept = nil
    reactor do
      ended = open.on_unbind { EM.stop }
      kept = open
      assert kept.set_comm_inactivity_timeout(0.01)
      assert kept.set_comm_inactivity_timeout(0)
      assert_in_delta 0.0, kept.comm_inactivity_timeout
      ended.comm_inactivity_timeout = 0.03
      assert_in_delta 0.03, ended.comm_inactivity_timeout, 0.001
      EM.next_tick { assert_empty kept.reasons }
    end
    assert_equal [nil], ended.reasons
  end

  def test_what_streams_have_and_datagram_sockets_have_not
    reactor do
      socket = open
      refute socket.error?
      assert_nil socket.get_peer_cert
      assert_nil socket.get_cipher_name
      assert_nil socket.start_tls
      refute socket.watch_only?
      assert_kind_of Numeric, socket.get_idle_time
      assert_equal 1, EM.connection_count
      assert_equal [1].pack("i"), socket.get_sock_opt(Socket::SOL_SOCKET, Socket::SO_BROADCAST)
      assert_equal 0, socket.set_sock_opt(Socket::SOL_SOCKET, Socket::SO_BROADCAST, false)
      assert_raises(SystemCallError) { socket.set_sock_opt(Socket::IPPROTO_IP, Socket::IP_ADD_MEMBERSHIP, "x") }
      EM.stop
    end
  end

  def test_calls_after_the_end
    socket = nil
    reactor do
      socket = open
      socket.on_unbind do
        assert_equal "\0" * 28, socket.get_peername
        refute_nil socket.get_sockname
        EM.next_tick { EM.next_tick { EM.stop } }
      end
      EM.add_timer(0.02) do
        assert_nil socket.get_peername
        assert_equal(-1, socket.send_data("x"))
        assert_equal 0, socket.get_outbound_data_size
        refute socket.pause
        assert_raises(EM::ConnectionError) { socket.send_datagram("x", "127.0.0.1", 5) }
      end
      socket.close_connection
    end
    assert_equal [nil], socket.reasons
  end

  def test_multicast_by_socket_options
    received = nil
    reactor do
      socket = open("0.0.0.0")
      membership = IPAddr.new("239.255.7.7").hton + IPAddr.new("127.0.0.1").hton
      assert_equal 0, socket.set_sock_opt(Socket::IPPROTO_IP, Socket::IP_ADD_MEMBERSHIP, membership)
      socket.set_sock_opt(Socket::IPPROTO_IP, Socket::IP_MULTICAST_IF, IPAddr.new("127.0.0.1").hton)
      socket.on_data do |data|
        received = data
        EM.stop
      end
      socket.send_datagram("group", "239.255.7.7", socket.port)
    end
    assert_equal "group", received
  end

  def test_a_flood_does_not_hold_up_timers
    reactor do
      server = open
      server.on_data { |data| server.send_datagram(data, "127.0.0.1", server.port) }
      100.times { server.send_datagram("flood", "127.0.0.1", server.port) }
      fired = 0
      EM.add_periodic_timer(0.001) { EM.stop if (fired += 1) == 20 }
    end
  end

  def test_other_threads_may_open_sockets_and_send
    server = nil
    reactor do
      server = open
      server.on_data { EM.stop if server.received.size == 2 }
      port = server.port
      Thread.new do
        client = open
        client.send_datagram("from a thread", "127.0.0.1", port)
        client.send_datagram("again", "localhost", port)
      end
    end
    assert_equal ["from a thread", "again"], server.received
  end

  def test_datagrams_for_a_name_that_is_resolved_in_the_background_leave_in_order_afterwards
    server = client = nil
    reactor do
      server = open
      server.on_data { EM.stop if server.received.size == 20 }
      client = open
      20.times { |i| assert_equal 2, client.send_datagram(format("%02d", i), "a-name.localhost", server.port) }
      assert_equal 0, client.get_outbound_data_size
      client.close_connection_after_writing
    end
    assert_equal((0...20).map { |i| format("%02d", i) }, server.received)
    assert_equal [nil], client.reasons
  end

  def test_a_name_that_was_resolved_is_kept
    server = nil
    reactor do
      server = open
      server.on_data do |data|
        EM.stop if data == "2"
        server.send_datagram("2", "kept.localhost", server.port)
        assert_equal 1, server.get_outbound_data_size
      end
      server.send_datagram("1", "kept.localhost", server.port)
    end
    assert_equal "1", server.received.first
  end

  def test_a_name_that_does_not_resolve_loses_its_datagrams_and_raises_for_a_while
    reactor do
      socket = open
      assert_equal 1, socket.send_datagram("x", "gone.localhost", 5)
      EM.__send__(:datagram_name_resolved, "gone.localhost", [])
      assert_raises(EM::ConnectionError) { socket.send_datagram("x", "gone.localhost", 5) }
      EM.stop
    end
  end

  def test_without_a_reactor_the_exception_names_the_call
    error = assert_raises(RuntimeError) { open }
    assert_equal "eventmachine not initialized: evma_open_datagram_socket", error.message
  end

  def test_what_waits_for_names_is_limited
    reactor do
      socket = open
      error = assert_raises(EM::ConnectionError) do
        100.times { socket.send_datagram("x" * 60_000, "busy.localhost", 5) }
      end
      assert_equal "error in sending datagram", error.message
      assert_equal 1, socket.send_datagram("x", "127.0.0.1", 5)
      EM.stop
    end
  end
end
