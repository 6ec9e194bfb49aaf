# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# Outgoing connections that fail: what is raised at once, what is the reason of unbind, and when it is called.

require "test_helper"

class ConnectFailureTest < ReactorTest
  repeat_under_gc_pressure except: [/never_answers/, /inactivity_timeout/, /without_descriptors/, /fifty_failures/]

  # @return [Scripted] a connection that has failed
  def failed(host, port, **script)
    connection = nil
    reactor do
      connection = EM.connect(host, port, Scripted, { unbind: ->(*) { EM.stop }, **script })
      yield connection if block_given?
    end
    connection
  end

  # @return [Exception] what connect raises
  def raised(error, *arguments)
    result = nil
    reactor do
      result = assert_raises(error) { EM.connect(*arguments) }
      assert_equal 0, EM.connection_count
      EM.stop
    end
    result
  end

  def test_a_closed_port_ends_in_unbind_with_connection_refused
    connection = failed("127.0.0.1", closed_port)
    assert_equal Errno::ECONNREFUSED, connection.reason
    assert_equal %i[initialize post_init unbind], connection.events
  end

  def test_a_closed_port_of_localhost_ends_in_unbind_with_connection_refused
    connection = failed("localhost", closed_port)
    assert_equal Errno::ECONNREFUSED, connection.reason
    assert_equal %i[initialize post_init unbind], connection.events
  end

  def test_asking_for_the_error_does_not_hide_the_refusal
    connection = failed("127.0.0.1", closed_port, &:error?)
    assert_equal [%i[initialize post_init unbind], Errno::ECONNREFUSED], [connection.events, connection.reason]
  end

  def test_unbind_is_not_called_before_connect_has_returned
    returned = false
    early = nil
    failed("127.0.0.1", closed_port, unbind: ->(*) { (early = !returned) || EM.stop }) { returned = true }
    assert_equal false, early
  end

  def test_data_sent_to_a_closed_port_is_dropped
    connection = failed("127.0.0.1", closed_port) { |it| it.send_data("x" * 100_000) }
    assert_equal Errno::ECONNREFUSED, connection.reason
  end

  def test_fifty_failures_in_one_turn
    reasons = []
    reactor do
      port = closed_port
      50.times { client(port, unbind: ->(_, reason) { (reasons << reason) && reasons.size == 50 && EM.stop }) }
    end
    assert_equal [Errno::ECONNREFUSED] * 50, reasons
  end

  def test_an_address_that_never_answers_ends_in_a_timeout
    port = unresponsive_port
    at_best(0.6) do
      connection = nil
      elapsed = seconds do
        connection = failed("127.0.0.1", port) { |it| assert it.set_pending_connect_timeout(0.3) }
      end
      assert_equal Errno::ETIMEDOUT, connection.reason
      assert_equal %i[initialize post_init unbind], connection.events
      assert_operator elapsed, :>, 0.25
      elapsed
    end
  end

  def test_the_inactivity_timeout_waits_for_the_connection
    port = unresponsive_port
    elapsed = seconds do
      failed("127.0.0.1", port) do |connection|
        connection.comm_inactivity_timeout = 0.05
        connection.pending_connect_timeout = 0.4
      end
    end
    assert_operator elapsed, :>, 0.3
  end

  def test_a_pending_connection_may_be_closed
    port = unresponsive_port
    assert_nil failed("127.0.0.1", port, &:close_connection).reason
  end

  def test_a_pending_connection_is_released_when_the_reactor_stops
    port = unresponsive_port
    connection = nil
    reactor do
      connection = client(port)
      connection.send_data("never sent")
      EM.add_timer(0.01) { EM.stop }
    end
    assert_equal [1, nil], [connection.events.count(:unbind), connection.reason]
  end

  def test_a_connection_to_itself_is_refused
    connection = nil
    port = free_port
    reactor do
      script = { unbind: ->(*) { EM.stop } }
      connection = EM.bind_connect("127.0.0.1", port, "127.0.0.1", port, Scripted, script)
    end
    assert_equal [%i[initialize post_init unbind], Errno::ECONNREFUSED], [connection.events, connection.reason]
  end

  def test_a_unix_server_whose_queue_stays_full_is_given_up_at_the_connect_timeout
    connections = connect_to_a_full_queue { |connection, _| connection.pending_connect_timeout = 0.1 }
    assert_equal [[%i[initialize post_init unbind], Errno::ETIMEDOUT]] * 2, connections.map { |it| [it.events, it.reason] }
  end

  def test_a_unix_server_whose_queue_is_full_is_waited_for
    connections = connect_to_a_full_queue do |_, busy|
      EM.add_periodic_timer(0.005) { ours(busy.accept) if busy.wait_readable(0) }
    end
    assert_equal [[%i[initialize post_init connection_completed unbind], nil]] * 2,
                 connections.map { |it| [it.events, it.reason] }
  end

  def test_an_empty_host_is_refused
    assert_equal "invalid server or port", raised(EM::ConnectionError, "", 80).message
  end

  def test_ports_out_of_range_are_refused
    [0, 65_536, 65_536 + 80, 2**40, 2**70].each do |port|
      assert_equal "invalid server or port", raised(EM::ConnectionError, "127.0.0.1", port).message, port
    end
    assert_match(/\Aunable to resolve address: /, raised(EM::ConnectionError, "127.0.0.1", -1).message)
  end

  def test_names_that_cannot_exist_are_refused_at_once
    ["host.invalid", "HOST.INVALID.", "300.1.2.3", "1.2.3.4.5", "12:34::z", "fe80:::1", "127.0x1", "*"].each do |host|
      assert_equal "unable to resolve address: Name or service not known", raised(EM::ConnectionError, host, 80).message, host
    end
  end

  def test_a_host_is_not_cut_at_a_null_byte
    reactor do
      port = server
      assert_raises(ArgumentError, EM::ConnectionError) { EM.connect("127.0.0.1\0.example", port) }
      EM.stop
    end
  end

  def test_a_host_that_is_not_a_string_is_a_type_error
    [nil, 42, :localhost].each { |host| raised(TypeError, host, 80) }
  end

  def test_which_of_two_names_is_malformed
    reactor do
      local = assert_raises(EM::ConnectionError) { EM.bind_connect("a..b", 0, "localhost", 80) }
      assert_match(/\Ainvalid bind address: ./, local.message)
      peer = assert_raises(EM::ConnectionError) { EM.bind_connect("localhost", 0, "a..b", 80) }
      assert_match(/\Aunable to resolve address: ./, peer.message)
      peer = assert_raises(EM::ConnectionError) { EM.bind_connect("good.test", 0, "a..b", 80) }
      assert_match(/\Aunable to resolve address: ./, peer.message)
      EM.stop
    end
  end

  def test_a_wrong_local_address_is_refused
    reactor do
      bad = assert_raises(EM::ConnectionError) { EM.bind_connect("300.1.2.3", 0, "127.0.0.1", 80) }
      assert_match(/\Ainvalid bind address: ./, bad.message)
      foreign = assert_raises(EM::ConnectionError) { EM.bind_connect("192.0.2.1", 0, "127.0.0.1", 80) }
      assert_match(/\Acouldn't bind to address/, foreign.message)
      foreign = assert_raises(EM::ConnectionError) { EM.bind_connect("192.0.2.1", 0, "localhost", 80) }
      assert_match(/\Acouldn't bind to address/, foreign.message)
      EM.stop
    end
  end

  def test_a_malformed_name_at_either_end_is_refused
    reactor do
      ["a b", "a..b", "a" * 64, "a." * 200, "[::1]"].each do |name|
        error = assert_raises(EM::ConnectionError) { EM.bind_connect(name, 0, "127.0.0.1", 80) }
        assert_match(/\Ainvalid bind address: ./, error.message)
        assert_raises(EM::ConnectionError) { EM.bind_connect("localhost", 0, name, 80) }
        assert_raises(EM::ConnectionError) { EM.connect(name, 80) }
      end
      assert_equal 0, EM.connection_count
      EM.stop
    end
  end

  def test_a_local_address_is_not_cut_at_a_null_byte
    reactor do
      assert_raises(ArgumentError) { EM.bind_connect("127.0.0.1\0.example", 0, "127.0.0.1", 80) }
      EM.stop
    end
  end

  def test_a_local_end_of_another_family_is_refused
    reactor do
      [["::1", "127.0.0.1"], ["127.0.0.1", "::1"]].each do |local, host|
        error = assert_raises(EM::ConnectionError) { EM.bind_connect(local, 0, host, 80) }
        assert_match(/\Acouldn't bind to address/, error.message)
      end
      EM.stop
    end
  end

  def test_a_local_name_that_does_not_resolve_is_an_invalid_address
    reactor do
      error = assert_raises(EM::ConnectionError) { EM.bind_connect("host.invalid", 0, "127.0.0.1", 80) }
      assert_match(/\Ainvalid bind address: ./, error.message)
      EM.stop
    end
  end

  def test_a_refused_call_leaves_nothing_behind
    reactor do
      assert_raises(EM::ConnectionError) { EM.connect("", 80, Scripted, { post_init: ->(_) { flunk "born" } }) }
      assert_equal 0, EM.connection_count
      EM.stop
    end
  end

  def test_without_descriptors_connecting_raises_and_works_again_later
    first, later = in_child do
      outcome = []
      reactor do
        port = server
        raised = exhaust_descriptors { assert_raises(EM::ConnectionError) { client(port) } }
        outcome << raised.message
        client(port, connection_completed: ->(_) { (outcome << :connected) && EM.stop })
      end
      outcome
    end
    assert_equal ["unable to create new socket: Too many open files", :connected], [first, later]
  end

  private

  # Connects twice to a Unix-domain server that accepts no client and whose queue is full, until both are connected or
  # unbound.
  # @yieldparam connection [Scripted] each of them
  # @yieldparam server [UNIXServer]
  # @return [Array<Scripted>]
  def connect_to_a_full_queue
    busy = ours(UNIXServer.new(socket_path))
    busy.listen(0)
    ours(UNIXSocket.new(socket_path))
    decided = 0
    decide = ->(*) { EM.stop if (decided += 1) == 2 }
    script = { connection_completed: decide, unbind: decide }
    connections = nil
    reactor do
      connections = Array.new(2) { EM.connect_unix_domain(socket_path, Scripted, script) }
      connections.each { |connection| yield connection, busy }
    end
    connections
  end

  # Calls the block while the process has no descriptor left.
  def exhaust_descriptors
    Process.setrlimit(:NOFILE, 100, Process.getrlimit(:NOFILE).last)
    files = []
    begin
      files << File.open(File::NULL) while true
    rescue Errno::EMFILE
      yield
    end
  ensure
    files.each(&:close)
  end
end
