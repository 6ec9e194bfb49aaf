# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# Servers and clients of Unix-domain sockets: the same as TCP except for the path.

require "test_helper"

class UnixSocketTest < ReactorTest
  repeat_under_gc_pressure

  NO_ACCEPTOR = "no unix-domain acceptor"

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

  def assert_raises_inside(error, message, &block)
    raised = inside { assert_raises(error, &block) }
    assert_equal message, raised.message
  end

  # @return [Array<Scripted>] client and accepted connection after an exchange of messages
  def exchange
    path = socket_path
    accepted = connection = nil
    reactor do
      yield(path, { post_init: ->(it) { accepted = it }, receive_data: ->(it, data) { it.send_data(data.upcase) } })
      connection = EM.connect_unix_domain(path, Scripted, { receive_data: ->(*) { EM.stop } })
      connection.send_data("word")
    end
    [connection, accepted]
  end

  def test_a_server_at_a_path_and_its_client_talk
    connection, accepted = exchange { |path, script| EM.start_unix_domain_server(path, Scripted, script) }
    assert_equal %w[WORD word], [connection.received, accepted.received]
  end

  def test_start_server_without_a_port_listens_at_a_path
    connection, = exchange { |path, script| EM.start_server(path, Scripted, script) }
    assert_equal "WORD", connection.received
  end

  def test_connect_without_a_port_connects_to_a_path
    connection = nil
    reactor do
      EM.start_unix_domain_server(socket_path, Echo)
      connection = EM.connect(socket_path, Scripted, { receive_data: ->(*) { EM.stop } })
      connection.send_data("word")
    end
    assert_equal "word", connection.received
  end

  def test_the_block_gets_the_connection
    given = []
    reactor do
      EM.start_unix_domain_server(socket_path) { |accepted| (given << accepted) && EM.stop }
      EM.connect_unix_domain(socket_path) { |connection| given << connection }
    end
    assert_equal [EM::Connection] * 2, given.map(&:class)
  end

  def test_connection_completed_is_called_for_the_client_only
    client, accepted = exchange { |path, script| EM.start_unix_domain_server(path, Scripted, script) }
    assert_equal %i[initialize post_init connection_completed receive_data unbind], client.events
    assert_equal %i[initialize post_init receive_data unbind], accepted.events
  end

  def test_a_blocking_peer_is_served
    conversation = nil
    reactor do
      EM.start_unix_domain_server(socket_path, Echo)
      conversation = Thread.new do
        UNIXSocket.open(socket_path) { |socket| socket.write("hello") && socket.read(5) }
      ensure
        EM.stop
      end
    end
    assert_equal "hello", conversation.value
  end

  def test_get_sockname_of_the_server_returns_the_path
    path = inside { Socket.unpack_sockaddr_un(EM.get_sockname(EM.start_unix_domain_server(socket_path))) }
    assert_equal socket_path, path
  end

  def test_get_peername_of_the_client_returns_the_path
    path = nil
    reactor do
      EM.start_unix_domain_server(socket_path)
      ask = ->(connection) { (path = Socket.unpack_sockaddr_un(connection.get_peername)) && EM.stop }
      EM.connect_unix_domain(socket_path, Scripted, { connection_completed: ask })
    end
    assert_equal socket_path, path
  end

  def test_a_socket_left_by_another_process_is_replaced
    UNIXServer.new(socket_path).close
    connection, = exchange { |path, script| EM.start_unix_domain_server(path, Scripted, script) }
    assert_equal "WORD", connection.received
  end

  def test_a_running_server_keeps_its_path
    living = UNIXServer.new(socket_path)
    assert_raises_inside(RuntimeError, NO_ACCEPTOR) { EM.start_unix_domain_server(socket_path) }
    assert_raises(IO::WaitReadable) { living.accept_nonblock }
    client = UNIXSocket.new(socket_path)
    living.accept_nonblock.close
    assert_equal "", client.read
    [client, living].each(&:close)
    connection, = exchange { |path, script| EM.start_unix_domain_server(path, Scripted, script) }
    assert_equal "WORD", connection.received
  end

  def test_a_path_can_be_served_again_as_soon_as_its_server_has_stopped
    kinds = inside do
      Array.new(3) { EM.start_unix_domain_server(socket_path).tap { |signature| EM.stop_server(signature) } }
    end
    assert_equal [Integer] * 3, kinds.map(&:class)
  end

  # @return [Array<String>] names in the abstract namespace, which differ in zero bytes
  def abstract_names
    start = "\0em-test-#{Process.pid}"
    ["", "\0", "\0within", "@"].map { |rest| start + rest } << start.ljust(108, "\0")
  end

  def test_abstract_names_with_zero_bytes_of_others_are_reached
    servers = abstract_names.map { |name| UNIXServer.new(name) }
    reactor do
      pending = servers.size
      connected = ->(_) { EM.stop if (pending -= 1).zero? }
      abstract_names.each { |name| EM.connect_unix_domain(name, Scripted, { connection_completed: connected }) }
    end
    accepted = servers.map(&:accept_nonblock)
    names = accepted.map { |socket| socket.local_address.to_sockaddr }
    assert_equal(abstract_names.map { |name| Addrinfo.unix(name).to_sockaddr }, names)
  ensure
    [servers, accepted].compact.flatten.each(&:close)
  end

  def test_abstract_names_with_zero_bytes_are_served
    names = inside do
      abstract_names.map do |name|
        signature = EM.start_unix_domain_server(name)
        UNIXSocket.new(name).close
        EM.get_sockname(signature)
      end
    end
    assert_equal(abstract_names.map { |name| Addrinfo.unix(name).to_sockaddr }, names)
  end

  def test_a_path_that_begins_with_an_at_sign_is_a_file
    Dir.chdir(File.dirname(socket_path)) do
      inside { EM.start_unix_domain_server("@file") }
      assert File.socket?("@file")
    end
  end

  def test_a_path_with_a_zero_byte_is_refused
    inside do
      assert_raises(ArgumentError) { EM.start_unix_domain_server("/tmp/a\0b") }
      assert_raises(ArgumentError) { EM.connect_unix_domain("/tmp/a\0b") }
    end
  end

  def test_the_socket_stays_when_the_server_stops
    inside { EM.start_unix_domain_server(socket_path) }
    assert File.socket?(socket_path)
  end

  def test_stop_server_works_for_paths
    raised = nil
    reactor do
      signature = EM.start_unix_domain_server(socket_path)
      assert_nil EM.stop_server(signature)
      EM.add_timer(0.01) do
        raised = assert_raises(RuntimeError) { EM.connect_unix_domain(socket_path) }
        EM.stop
      end
    end
    assert_equal "no connection", raised.message
  end

  def test_a_server_in_a_missing_directory_is_refused
    assert_raises_inside(RuntimeError, NO_ACCEPTOR) { EM.start_unix_domain_server(socket_path("missing/socket")) }
  end

  def test_a_server_at_a_path_that_is_too_long_is_refused
    path = socket_path("x" * 200)
    assert_raises_inside(RuntimeError, NO_ACCEPTOR) { EM.start_unix_domain_server(path) }
    assert_empty Dir.children(File.dirname(path))
  end

  def test_connecting_to_nothing_raises_at_once
    assert_raises_inside(RuntimeError, "no connection") { EM.connect_unix_domain(socket_path) }
    UNIXServer.new(socket_path).close
    assert_raises_inside(RuntimeError, "no connection") { EM.connect_unix_domain(socket_path) }
  end

  def test_connecting_to_a_path_that_is_too_long_raises
    message = "unix-domain server name is too long"
    assert_raises_inside(RuntimeError, message) { EM.connect_unix_domain(socket_path("x" * 200)) }
  end

  def test_the_longest_path_that_fits_works
    path = socket_path
    path += "x" * (107 - path.bytesize)
    @directory = File.dirname(path)
    conversation = nil
    reactor do
      EM.start_unix_domain_server(path, Echo)
      conversation = EM.connect_unix_domain(path, Scripted, { receive_data: ->(*) { EM.stop } })
      conversation.send_data("long")
    end
    assert_equal "long", conversation.received
  end
end
