# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# EM::TLS: options that are checked once and shared by the connections of a server or a client.

require_relative "../support/tls_peers"

class TLSSharedTest < TLSTest
  repeat_under_gc_pressure

  def server_side(**options)
    EM::TLS.new(localhost(**options))
  end

  def client_side(**options)
    EM::TLS.new({ ca_pem: Certificates.root.cert, **options })
  end

  # @return [TLSScripted] a client of a server with these options
  def connect(server, client, host = "localhost", **script)
    opened = nil
    reactor do
      port = port_of(EM.start_server("127.0.0.1", 0, TLSScripted, { receive_data: ->(it, data) { it.send_data(data) } }, tls: server))
      opened = EM.connect(host, port, TLSScripted, { unbind: ->(*) { EM.stop }, post_init: ->(it) { it.send_data("x") },
                                                     receive_data: ->(it, _) { it.close_connection }, **script }, tls: client)
    end
    opened
  end

  def test_a_server_and_a_verifying_client_connect
    client = connect(server_side, client_side)
    assert_equal ["x", nil], [client.received, client.reason]
  end

  def test_the_host_that_the_client_connects_to_is_verified
    assert_equal "x", connect(server_side, client_side, "127.0.0.1").received
    assert_equal Errno::EPROTO, connect(server_side, client_side(hostname: "example.com")).reason
    other = Certificates.root.issue("example.com")
    assert_equal Errno::EPROTO, connect(EM::TLS.new(cert: other.cert, private_key: other.private_key), client_side).reason
  end

  def test_clients_verify_unless_they_say_otherwise
    assert_equal Errno::EPROTO, connect(server_side, EM::TLS.new).reason
    assert_nil connect(server_side, EM::TLS.new(verify: false)).reason
    assert_nil connect(server_side, EM::TLS.new(verify_peer: true), ssl_verify_peer: ->(*) { true }).reason
  end

  def test_the_handler_gets_its_other_arguments
    arguments = []
    handler = Class.new(EM::Connection) do
      define_method(:initialize) { |*all, **keywords| arguments << [all, keywords] }
    end
    in_reactor do
      port = closed_port
      EM.connect("127.0.0.1", port, handler, tls: client_side)
      EM.connect("127.0.0.1", port, handler, 1, tls: client_side)
      EM.connect("127.0.0.1", port, handler, 1, a: 2, tls: client_side)
      EM.connect("127.0.0.1", port, tls: client_side)
    end
    assert_equal [[[], {}], [[1], {}], [[1], { a: 2 }]], arguments
  end

  # As in 1.x.
  def test_a_hash_is_the_argument_of_a_handler_that_takes_arguments
    arguments = []
    handler = Class.new(EM::Connection) { define_method(:initialize) { |*all| arguments.concat(all) } }
    in_reactor { EM.connect("127.0.0.1", closed_port, handler, tls: { verify: true }) }
    assert_equal [{ tls: { verify: true } }], arguments
  end

  # @return [Class] that inherits its `initialize`, and what its objects have seen
  def plain_handler(seen)
    Class.new(EM::Connection) do
      define_method(:post_init) { send_data("x") }
      define_method(:receive_data) do |data|
        seen << [data, get_cipher_protocol, get_tls_verdict, tls_session_resumed?]
        close_connection
      end
      define_method(:unbind) { |reason| seen << reason }
    end
  end

  # @return [Array] what a handler without `initialize` sees that connects with each of these values for `tls:`
  def seen_with(values, server: server_side, host: "localhost")
    seen = []
    reactor do
      port = port_of(EM.start_server("127.0.0.1", 0, TLSScripted, { receive_data: ->(it, data) { it.send_data(data) } }, tls: server))
      handler = plain_handler(seen)
      again = lambda do |rest|
        EM.connect(host, port, handler, tls: rest[0]) do |it|
          it.define_singleton_method(:unbind) { |reason| super(reason).then { rest.size > 1 ? again.call(rest[1..]) : EM.stop } }
        end
      end
      again.call(values)
    end
    seen
  end

  def trusting(**options)
    { ca_pem: Certificates.root.cert, **options }
  end

  def test_a_hash_starts_tls_and_verifies_if_the_handler_takes_no_arguments
    assert_equal [["x", "TLSv1.3", "ok", false], nil], seen_with([trusting])
    assert_equal [Errno::EPROTO], seen_with([trusting], host: "127.0.0.1", server: EM::TLS.new(named("localhost")))
    assert_equal [Errno::EPROTO] * 2, seen_with([{}, true])
    assert_equal [Errno::EPROTO], seen_with([trusting(hostname: "example.com")])
    assert_equal [Errno::EPROTO], seen_with([{ verify_peer: true }])
    assert_equal [["x", "TLSv1.3", nil, false], nil], seen_with([{ verify: false }])
  end

  # @return [Hash] a certificate for this name only
  def named(name)
    other = Certificates.root.issue(name)
    { cert: other.cert, private_key: other.private_key }
  end

  def test_equal_hashes_resume_sessions
    assert_equal([false, true, true], seen_with(Array.new(3) { trusting }).compact.map(&:last))
  end

  def test_the_hash_of_a_server_starts_tls_if_the_handler_takes_no_arguments
    echo = Module.new { define_method(:receive_data) { |data| send_data(data) } }
    [->(options) { EM.start_server("127.0.0.1", 0, echo, tls: options) },
     ->(options) { EM.attach_server(listener, echo, tls: options) }].each do |start|
      [localhost, true].each do |options|
        reactor do
          talk_tls(port_of(start.call(options))) do |tls|
            tls.write("x")
            assert_equal "x", tls.readpartial(1)
          end
        end
      end
    end
  end

  def test_a_hash_works_with_unix_domain_sockets_and_local_addresses
    path = socket_path
    protocols = []
    handler = Class.new(EM::Connection) do
      define_method(:ssl_handshake_completed) { (protocols << get_cipher_protocol).size < 2 || EM.stop }
    end
    reactor do
      EM.start_unix_domain_server(path, EM::Connection, tls: localhost)
      port = port_of(EM.start_server("127.0.0.1", 0, EM::Connection, tls: localhost))
      assert_raises(ArgumentError) { EM.connect_unix_domain(path, handler, tls: trusting) }
      EM.connect_unix_domain(path, handler, tls: trusting(hostname: "localhost"))
      EM.bind_connect("127.0.0.1", 0, "localhost", port, handler, tls: trusting)
    end
    assert_equal ["TLSv1.3"] * 2, protocols
  end

  def test_reconnect_starts_tls_again_with_the_hash
    verdicts = []
    handler = Class.new(EM::Connection) do
      define_method(:ssl_handshake_completed) { verdicts << get_tls_verdict; close_connection }
      define_method(:unbind) { |_| verdicts.size < 2 ? reconnect("localhost", @port) : EM.stop }
    end
    reactor do
      port = port_of(EM.start_server("127.0.0.1", 0, EM::Connection, tls: server_side))
      EM.connect("localhost", port, handler, tls: trusting) { |it| it.instance_variable_set(:@port, port) }
    end
    assert_equal %w[ok ok], verdicts
  end

  # The program's Hash may change.
  def test_a_server_keeps_its_own_copy_of_the_hash
    options = localhost
    reactor do
      port = port_of(EM.start_server("127.0.0.1", 0, EM::Connection, tls: options))
      options.clear
      talk_tls(port) { |tls| assert_equal "/CN=localhost", tls.peer_cert.subject.to_s }
    end
  end

  # There would be no TLS, and nobody would notice.
  def test_other_values_for_tls_raise
    in_reactor do
      [EM::Connection, Module.new, Class.new(EM::Connection)].each do |handler|
        ["yes", 1, [], Object.new].each do |value|
          assert_raises(ArgumentError) { EM.connect("127.0.0.1", closed_port, handler, tls: value) }
          assert_raises(ArgumentError) { EM.start_server("127.0.0.1", 0, handler, tls: value) }
        end
        assert_raises(EM::BadParams) { EM.start_server("127.0.0.1", 0, handler, tls: { private_key: "x" }) }
        assert_raises(ArgumentError) { EM.start_server("127.0.0.1", 0, handler, tls: { verify: true }) }
      end
      assert_equal 0, EM.connection_count
      EM.connect("127.0.0.1", closed_port, EM::Connection, tls: nil)
    end
  end

  def test_mistakes_raise_before_anything_is_opened
    in_reactor do
      assert_raises(EM::FileNotFoundException) { EM::TLS.new(ca_file: "/nonexistent") }
      assert_raises(EM::InvalidPrivateKey) do
        EM.start_server("127.0.0.1", 0, EM::Connection, tls: EM::TLS.new(cert: Certificates.root.cert, private_key: "x"))
      end
      assert_raises(TypeError) { EM::TLS.new("x") }
      assert_equal 0, EM.connection_count
    end
  end

  def test_mistakes_of_servers_raise_in_new
    { EM::InvalidPrivateKey => { private_key: Certificates.client.private_key }, EM::BadCertParams => { cert: "x" },
      EM::BadParams => { cipher_list: "nonsense" } }.each do |error, mistake|
      assert_raises(error) { EM::TLS.new(localhost(**mistake)) }
    end
    assert_raises(EM::InvalidPrivateKey) { EM::TLS.new(localhost(dhparam: "/nonexistent")) }
    assert_raises(EM::InvalidPrivateKey) { EM::TLS.new(certificates: { "a" => localhost(private_key: "x") }) }
  end

  def test_unknown_options_raise
    { "unknown option :verfy" => { verfy: true }, 'unknown option "verify"' => { "verify" => true },
      'certificates: "a": unknown option :alpn' => { certificates: { "a" => localhost(alpn: "h2") } } }.each do |message, options|
      assert_equal message, assert_raises(ArgumentError) { EM::TLS.new(options) }.message
      in_reactor do
        assert_equal(message, assert_raises(ArgumentError) { EM.start_server("127.0.0.1", 0, EM::Connection, tls: options) }.message)
      end
    end
  end

  def test_the_certificate_of_a_client_is_never_ignored
    client = Certificates.client
    both = Certificates.write(client.chain + client.private_key)
    [{}, { hostname: "localhost" }, { verify: true }].each do |options|
      assert_raises(EM::InvalidPrivateKey) { EM::TLS.new(cert: client.chain, **options) }
      assert_raises(EM::InvalidPrivateKey) { EM::TLS.new(cert_chain_file: client.chain_file, **options) }
    end
    [{ cert_chain_file: both }, { cert: File.read(both) }].each do |certificate|
      server = server_side(verify: true, ca_pem: Certificates.root.cert)
      assert_equal "x", connect(server, client_side(**certificate)).received
    end
  end

  # @return [Integer] how many native contexts the block has created
  def contexts_made
    GC.disable
    count = -> { ObjectSpace.each_object(EventMachine.const_get(:TLSContext)).count }
    before = count.call
    yield
    count.call - before
  ensure
    GC.enable
  end

  def test_processes_that_are_forked_later_share_the_context_and_resume_each_others_sessions
    tls = nil
    assert_equal(1, contexts_made { tls = server_side })
    socket = listener
    handler = Class.new(EM::Connection) { define_method(:receive_data) { |_| send_data(Process.pid.to_s) } }
    workers = Array.new(3) { fork { exit!(contexts_made { EM.run { serve_until_told(socket, handler, tls) } }) } }
    sessions = sessions_of(workers, socket)
    sessions.each_value { |session| assert(Array.new(10) { resumed?(socket, session) }.all?) }
  ensure
    assert_equal [0] * 3, workers&.map { |pid| Process.kill(:TERM, pid) && Process.wait2(pid)[1].exitstatus }
  end

  def serve_until_told(socket, handler, tls)
    trap(:TERM) { EM.stop }
    EM.attach_server(socket, handler, tls: tls)
  end

  def worker_context
    @worker_context ||= openssl_context(max_version: :TLS1_2)
  end

  # @return [Hash{Integer => OpenSSL::SSL::Session}] a session of each worker
  def sessions_of(workers, socket)
    sessions = {}
    until sessions.size == workers.size
      tls = OpenSSL::SSL::SSLSocket.new(peer(socket.local_address.ip_port), worker_context).connect
      tls.write("x")
      sessions[tls.readpartial(10).to_i] = tls.session
    end
    sessions
  end

  def resumed?(socket, session)
    tls = OpenSSL::SSL::SSLSocket.new(peer(socket.local_address.ip_port), worker_context)
    tls.session = session
    tls.connect.session_reused?
  end

  def test_a_server_without_authorities_cannot_verify_its_clients
    in_reactor do
      error = assert_raises(ArgumentError) { EM.start_server("127.0.0.1", 0, EM::Connection, tls: server_side(verify: true)) }
      assert_equal "verify: true of a server needs ca_file:, ca_path: or ca_pem:", error.message
    end
  end

  def test_a_client_of_a_unix_domain_socket_needs_a_hostname
    path = socket_path
    in_reactor do
      EM.start_unix_domain_server(path, EM::Connection, tls: server_side)
      assert_raises(ArgumentError) { EM.connect_unix_domain(path, EM::Connection, tls: client_side) }
      EM.connect_unix_domain(path, EM::Connection, tls: client_side(hostname: "localhost"))
    end
  end

  def test_reconnect_starts_tls_again
    protocols = []
    reactor do
      port = port_of(EM.start_server("127.0.0.1", 0, TLSScripted, tls: server_side))
      EM.connect("localhost", port, TLSScripted, { ssl_handshake_completed: lambda { |it|
        protocols << it.get_cipher_protocol
        it.close_connection
      }, unbind: ->(it, _) { protocols.size < 2 ? it.reconnect("localhost", port) : EM.stop } }, tls: client_side)
    end
    assert_equal ["TLSv1.3"] * 2, protocols
  end

  def test_attach_server_takes_tls
    socket = listener
    reactor do
      EM.attach_server(socket, TLSScripted, { receive_data: ->(it, data) { it.send_data(data) } }, tls: server_side)
      talk_tls(socket.local_address.ip_port) do |tls|
        tls.write("x")
        assert_equal "x", tls.readpartial(1)
      end
    end
  end

  def test_start_tls_takes_it
    reactor do
      port = port_of(EM.start_server("127.0.0.1", 0, TLSScripted, { post_init: ->(it) { it.start_tls(server_side) } }))
      talk_tls(port) { |tls| assert_equal "TLSv1.3", tls.ssl_version }
    end
  end

  # @return [Array<String>] the subjects that clients see before and after the block
  def subjects_around(tls)
    seen = []
    reactor do
      port = port_of(EM.start_server("127.0.0.1", 0, TLSScripted, tls: tls))
      talk_tls(port) do |socket|
        seen << socket.peer_cert.subject.to_s
        yield
        seen << handshake(peer(port)).peer_cert.subject.to_s
      end
    end
    seen
  end

  def files_of(credentials)
    { cert_chain_file: Certificates.write(credentials.chain), private_key_file: Certificates.write(credentials.private_key) }
  end

  def test_new_connections_use_files_that_were_reloaded
    files = files_of(Certificates.localhost)
    tls = EM::TLS.new(files)
    renewed = Certificates.root.issue("renewed")
    seen = subjects_around(tls) do
      File.write(files[:cert_chain_file], renewed.chain)
      File.write(files[:private_key_file], renewed.private_key)
      assert_same tls, tls.reload
    end
    assert_equal ["/CN=localhost", "/CN=renewed"], seen
  end

  def test_reloading_fails_no_client
    tls = EM::TLS.new(files_of(Certificates.localhost))
    reasons = []
    reactor do
      port = port_of(EM.start_server("127.0.0.1", 0, TLSScripted, { receive_data: ->(it, data) { it.send_data(data) } }, tls: tls))
      come = lambda do
        tls.reload
        EM.connect("localhost", port, TLSScripted, { post_init: ->(it) { it.send_data("x") },
                                                     receive_data: ->(it, _) { it.close_connection },
                                                     unbind: lambda { |_, reason|
                                                       (reasons << reason).size < 100 ? come.call : EM.stop
                                                     } }, tls: client_side)
      end
      5.times { come.call }
    end
    assert_equal [nil], reasons.uniq
  end

  def test_a_reload_that_fails_changes_nothing
    files = files_of(Certificates.localhost)
    tls = EM::TLS.new(files)
    seen = subjects_around(tls) do
      File.write(files[:cert_chain_file], Certificates.root.issue("renewed").chain)
      assert_raises(EM::InvalidPrivateKey) { tls.reload }
      File.delete(files[:private_key_file])
      assert_raises(EM::FileNotFoundException) { tls.reload }
    end
    assert_equal ["/CN=localhost", "/CN=localhost"], seen
  end

  def test_inspect_shows_no_private_key
    refute_includes server_side.tap { |tls| tls.context(true) }.inspect, Certificates.localhost.private_key.lines[1].chomp
    assert_match(/\A#<EventMachine::TLS>\z/, server_side.inspect)
  end
end
