# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "test_helper"
require "em/resolver"
require "minitest/mock"
require "tmpdir"
require_relative "../support/name_server"

# EM::DNS: the resolver of Ruby programs.
class ResolverTest < ReactorTest
  Resolver = EventMachine::DNS::Resolver

  repeat_under_gc_pressure

  def setup
    super
    @server = NameServer.new
    Resolver.nameservers = [@server.address]
  end

  def teardown
    Resolver.nameservers = nil
    Resolver.instance_variable_set(:@hosts, nil)
    @server.stop
    super
  end

  # @return [Array] :succeeded or :failed, and the arguments
  def resolve(name, retry_interval: 0.2, max_tries: 2)
    result = nil
    EM.run do
      request = Resolver.resolve(name)
      request.retry_interval = retry_interval
      request.max_tries = max_tries
      request.callback { |*arguments| result = [:succeeded, *arguments] }
      request.errback { |*arguments| result = [:failed, *arguments] }
      wait = proc { result ? EM.stop : EM.add_timer(0.005, &wait) }
      wait.call
    end
    result
  end

  # Without c-ares the system is asked, which does not know this server.
  def skip_without_servers
    skip "the library was built without c-ares" unless NameServer.asked?
  end

  def test_addresses_of_a_name
    skip_without_servers
    assert_equal [:succeeded, %w[192.0.2.1 192.0.2.2]], resolve("good.test")
  end

  def test_response_codes
    skip_without_servers
    assert_equal [:failed, "rcode=3"], resolve("unknown.test")
    assert_equal [:failed, "rcode=2"], resolve("failing.test")
    assert_equal [:failed, "rcode=0"], resolve("empty.test")
  end

  def test_a_question_without_an_answer_is_repeated
    skip_without_servers
    assert_equal [:succeeded, %w[192.0.2.1 192.0.2.2]], resolve("twice.test")
    assert_equal [:failed, "retries exceeded"], resolve("silent.test")
    assert_equal 2, @server.queries.count("silent.test")
  end

  def test_a_server_with_an_ipv6_address
    skip_without_servers
    server = NameServer.new("::1")
    Resolver.nameservers = [server.address]
    assert_equal :succeeded, resolve("good.test").first
  ensure
    server&.stop
  end

  def test_without_a_name_server
    Resolver.nameservers = []
    assert_equal [:failed, "no name server is configured"], resolve("good.test")
  end

  def test_a_malformed_name_fails
    assert_equal :failed, resolve("a..test").first
  end

  def test_what_is_not_a_string
    EM.run_block do
      error = assert_raises(ArgumentError) { Resolver.resolve(123) }
      assert_equal "cannot interpret as DNS name: 123", error.message
    end
  end

  # Never a name, whatever other programs take them for.
  def test_addresses_are_not_looked_up
    ["192.0.2.1", "2001:db8::1"].each { |text| assert_equal [:succeeded, [text]], resolve(text) }
    ["127.1", "1.2.3.4.5", "0x7f.1"].each { |text| assert_equal :failed, resolve(text).first }
    assert_empty @server.queries
  end

  def test_a_name_that_is_no_text_fails
    ["\xff.test".b, "good.test".encode("UTF-16LE"), "good\0.test"].each do |name|
      Resolver.nameservers = []
      assert_equal :failed, resolve(name).first
    end
  end

  # Whoever has set it.
  def test_after_an_outcome_nothing_goes_on
    skip_without_servers
    endings = [->(it) { it.timeout(0.05, "late") }, ->(it) { it.fail("late") }, ->(it) { it.succeed("late") }]
    endings.each do |ending|
      EM.run do
        request = Resolver.resolve("silent.test")
        EM.next_tick { EM.next_tick { ending.call(request) } }
        request.callback { request.fail("late") }
        request.errback do |reason|
          assert_equal "late", reason
          assert_nil Resolver.socket.instance_variable_get(:@timer)
          assert_empty EventMachine::DNS.instance_variable_get(:@lookups)
          EM.stop
        end
      end
    end
  end

  def test_a_name_in_the_hosts_file_is_found_at_once
    Resolver.instance_variable_set(:@hosts, { "here" => ["192.0.2.9"] })
    EM.run_block do
      found = nil
      Resolver.resolve("HERE.").callback { |addresses| found = addresses }
      assert_equal ["192.0.2.9"], found
    end
  end

  def test_the_hosts_file_is_read_with_aliases
    lines = ["# 1.1.1.1 no\n", "192.0.2.1 One one.alias # two\n", "\n", "::1 one\n"]
    Resolver.stub(:lines_of, lines) do
      assert_equal({ "one" => ["192.0.2.1", "::1"], "one.alias" => ["192.0.2.1"] }, Resolver.hosts)
    end
  end

  def test_lines_of_the_hosts_file_without_an_address_are_skipped
    Resolver.stub(:lines_of, ["\n", "nonsense one\n", "1.2.3 two\n", "192.0.2.1 three\n"]) do
      assert_equal({ "three" => ["192.0.2.1"] }, Resolver.hosts)
    end
  end

  def test_a_fifo_in_the_place_of_a_file_does_not_block
    Dir.mktmpdir do |directory|
      path = File.join(directory, "hosts")
      File.mkfifo(path)
      assert_empty Resolver.send(:lines_of, path)
    end
  end

  def test_name_servers_of_the_system
    Resolver.nameservers = nil
    assert_kind_of Array, Resolver.nameservers
    Resolver.nameservers = ["192.0.2.53"]
    assert_equal "192.0.2.53", Resolver.nameserver
  end

  def test_nothing_is_left_running
    EM.run do
      request = Resolver.resolve("good.test")
      request.max_tries = 1
      finish = proc do
        assert_nil Resolver.socket.instance_variable_get(:@timer)
        EM.stop
      end
      request.callback(&finish)
      request.errback(&finish)
    end
  end

  def test_a_second_reactor_has_its_own_socket
    skip_without_servers
    sockets = Array.new(2) do
      EM.run_block { Resolver.resolve("silent.test") }
      EM.run_block { @socket = Resolver.socket }
      @socket
    end
    refute_same(*sockets)
    assert_equal :succeeded, resolve("good.test").first
  end

  def test_an_id_is_used_once
    EM.run_block do
      socket = Resolver.socket
      request = EventMachine::DNS::Request.new(nil, "good.test")
      socket.register_request(1, request)
      error = assert_raises(EventMachine::DNS::RequestIdAlreadyUsed) { socket.register_request(1, request) }
      assert_kind_of RuntimeError, error
      socket.deregister_request(1, request)
      assert_nil socket.instance_variable_get(:@timer)
    end
  end

  def test_the_socket_is_a_connection
    seen = nil
    EM.run_block do
      socket = Resolver.socket
      host = Socket.unpack_sockaddr_in(socket.get_sockname).last
      seen = [socket.class, socket.signature.class, host, socket.error?, EM.connection_count]
    end
    assert_equal [EventMachine::DNS::Socket, Integer, "0.0.0.0", false, 1], seen
  end

  def test_a_socket_that_the_program_has_closed_is_replaced
    skip_without_servers
    found = nil
    EM.run do
      closed = Resolver.socket
      request = Resolver.resolve("good.test")
      closed.close_connection
      request.callback do
        refute_same closed, Resolver.socket
        Resolver.resolve("good.test").callback { |addresses| (found = addresses) && EM.stop }
      end
    end
    assert_equal %w[192.0.2.1 192.0.2.2], found
  end

  # Of an id that has no request, so that the server's reply is ignored.
  def test_a_packet_goes_to_the_name_server
    servers = [@server, NameServer.new("::1")]
    EM.run do
      servers.each do |server|
        Resolver.socket.nameserver = server.address
        assert_equal question_for("good.test").bytesize, Resolver.socket.send_packet(question_for("good.test"))
      end
      wait = proc { servers.all? { |it| it.queries.include?("good.test") } ? EM.stop : EM.add_timer(0.005, &wait) }
      wait.call
    end
  ensure
    servers&.last&.stop
  end

  def test_the_reply_to_a_packet_is_the_answer_of_the_request_with_its_id
    found = nil
    EM.run do
      request = EventMachine::DNS::Request.new(nil, "good.test")
      request.callback { |addresses| (found = addresses) && EM.stop }
      Resolver.socket.register_request(1, request)
      Resolver.socket.send_packet(question_for("good.test"))
    end
    assert_equal %w[192.0.2.1 192.0.2.2], found
  end

  def test_a_reply_of_somebody_else_is_ignored
    request = nil
    EM.run do
      socket = Resolver.socket
      request = EventMachine::DNS::Request.new(nil, "good.test")
      request.callback { flunk "answered by a stranger" }
      socket.register_request(1, request)
      stranger = EM.open_datagram_socket("127.0.0.1", 0)
      port = Socket.unpack_sockaddr_in(socket.get_sockname).first
      2.times { stranger.send_datagram(answer_for("good.test").encode, "127.0.0.1", port) }
      received = EM.stats[:datagrams_received]
      wait = proc { EM.stats[:datagrams_received] >= received + 2 ? EM.stop : EM.add_timer(0.005, &wait) }
      wait.call
    end
  end

  def test_a_packet_without_a_name_server_or_with_a_malformed_one
    Resolver.nameservers = []
    EM.run_block do
      assert_equal "no name server is configured", assert_raises(RuntimeError) { Resolver.socket.send_packet("x") }.message
      Resolver.socket.nameserver = "nonsense"
      assert_raises(ArgumentError) { Resolver.socket.send_packet("x") }
    end
  end

  def test_names_that_need_no_server
    Resolver.instance_variable_set(:@hosts, {})
    outcomes = {}
    EM.run_block do
      %w[192.0.2.7 2001:db8::1 localhost a.LocalHost. x.invalid onion].each do |name|
        request = Resolver.resolve(name)
        request.callback { |addresses| outcomes[name] = addresses }
        request.errback { |reason| outcomes[name] = reason }
      end
    end
    assert_equal({ "192.0.2.7" => ["192.0.2.7"], "2001:db8::1" => ["2001:db8::1"], "localhost" => ["127.0.0.1"],
                   "a.LocalHost." => ["127.0.0.1"], "x.invalid" => "rcode=3", "onion" => "rcode=3" }, outcomes)
    assert_empty @server.queries
  end

  def test_it_needs_a_reactor
    %w[good.test localhost].each do |name|
      assert_match(/\Aeventmachine not initialized/, assert_raises(RuntimeError) { Resolver.resolve(name) }.message)
    end
  end

  def test_name_servers_that_are_none
    Resolver.nameservers = [53]
    assert_equal :failed, resolve("good.test").first
    Resolver.nameservers = "nonsense"
    assert_equal %w[nonsense], Resolver.nameservers
    assert_equal :failed, resolve("good.test").first
  end

  def test_datagrams_that_nobody_wants_are_ignored
    EM.run_block do
      socket = Resolver.socket
      ["", "\xff", "\0" * 12, Random.bytes(100)].each { |bytes| socket.receive_data(bytes) }
    end
  end

  def test_a_request_takes_the_answer_to_its_question
    EM.run_block do
      found = []
      socket = Resolver.socket
      request = EventMachine::DNS::Request.new(socket, "good.test")
      request.callback { |addresses| found << addresses }
      %w[other.test good.test].each { |name| request.receive_answer(answer_for(name)) }
      assert_equal [["192.0.2.7"]], found
    end
  end

  def question_for(name)
    message = Resolv::DNS::Message.new(1)
    message.add_question(name, Resolv::DNS::Resource::IN::A)
    message.encode
  end

  def answer_for(name)
    message = Resolv::DNS::Message.new(1)
    message.qr = 1
    message.add_question(name, Resolv::DNS::Resource::IN::A)
    message.add_answer(name, 60, Resolv::DNS::Resource::IN::A.new("192.0.2.7"))
    message
  end
end
