# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# Keys of session tickets that the program gives, so that processes that were started separately resume each other's
# sessions.

require_relative "../support/tls_peers"
require "securerandom"

class TLSTicketKeysTest < TLSTest
  # Serves with the keys of the first line that it reads, and changes them with each further line.
  SERVER = <<~RUBY
    read = ->(line) { line.split(",").map { |key| [key].pack("H*") }.then { |keys| keys unless keys.empty? } }
    tls = EM::TLS.new(cert_chain_file: ARGV[0], private_key_file: ARGV[1], ticket_keys: read.call($stdin.gets.chomp))
    echo = Module.new { define_method(:receive_data) { |data| send_data(data) } }
    EM.run do
      puts Socket.unpack_sockaddr_in(EM.get_sockname(EM.start_server("127.0.0.1", 0, echo, tls: tls)))[0]
      Thread.new do
        while (line = $stdin.gets)
          EM.next_tick do
            tls.ticket_keys = read.call(line.chomp)
            puts "changed"
          end
        end
        EM.stop
      end
    end
  RUBY

  Server = Struct.new(:pipe, :port) do
    def change(keys)
      pipe.puts(TLSTicketKeysTest.line(keys))
      raise "the server has ended" unless pipe.gets == "changed\n"
    end
  end

  def self.line(keys)
    keys.map { |key| key.unpack1("H*") }.join(",")
  end

  def before_setup
    super
    @servers = []
  end

  def teardown
    @servers.each { |server| server.pipe.close }
    super
  end

  # @return [Server] in a process that knows nothing of the others
  def start(*keys)
    source = "$stdout.sync = true\nrequire 'eventmachine'\n#{SERVER}"
    files = [Certificates.localhost.chain_file, Certificates.localhost.key_file]
    pipe = IO.popen([RbConfig.ruby, "-I", Children::LIBRARY, "-e", source, *files], "r+")
    pipe.puts(self.class.line(keys))
    @servers << Server.new(pipe, Integer(pipe.gets))
    @servers.last
  end

  def key
    SecureRandom.bytes(80)
  end

  def context
    @context ||= openssl_context(max_version: :TLS1_2)
  end

  # @return [OpenSSL::SSL::SSLSocket]
  def visit(server, session = nil)
    tls = OpenSSL::SSL::SSLSocket.new(peer(server.port), context)
    tls.session = session if session
    tls.connect
    tls.write("x")
    assert_equal "x", tls.readpartial(1)
    tls
  end

  def test_what_is_no_list_of_keys_never_reaches_the_library
    in_reactor do
      context = EM.send(:create_tls_context, { self_signed: true })
      assert_raises(TypeError) { EM.send(:set_tls_ticket_keys, context, nil) }
      assert_raises(TypeError) { EM.send(:set_tls_ticket_keys, context, [1]) }
      assert_raises(ArgumentError) { EM.send(:set_tls_ticket_keys, context, ["short"]) }
      assert_raises(ArgumentError) { EM.send(:set_tls_ticket_keys, context, ["k" * 80] * 9) }
    end
  end

  def test_processes_with_the_same_keys_resume_each_others_sessions
    secret = key
    first, second, stranger = start(secret), start(secret), start
    session = visit(first).session
    assert(Array.new(10) { visit(second, session).session_reused? }.all?)
    refute_predicate visit(stranger, session), :session_reused?
  end

  def test_keys_change_in_two_steps_without_a_full_handshake
    old, new = key, key
    first, second = start(old), start(old)
    session = visit(first).session
    [first, second].each { |server| server.change([old, new]) }
    assert_predicate visit(second, session), :session_reused?
    first.change([new, old])
    assert_predicate visit(first, session), :session_reused?
    assert_predicate visit(second, visit(first).session), :session_reused?
    second.change([new])
    refute_predicate visit(second, session), :session_reused?
  end

  def test_without_keys_the_process_makes_its_own_again
    secret = key
    server = start(secret)
    session = visit(server).session
    server.change([])
    refute_predicate visit(server, session), :session_reused?
    assert_predicate visit(server, visit(server).session), :session_reused?
  end

  def test_reloading_keeps_the_keys
    secret = key
    tls = EM::TLS.new(localhost(ticket_keys: [secret]))
    other = start(secret)
    reactor do
      port = port_of(EM.start_server("127.0.0.1", 0, TLSScripted, { receive_data: ->(it, data) { it.send_data(data) } }, tls: tls))
      tls.reload
      talk(port) { |_| assert_predicate visit(Server.new(nil, port), visit(other).session), :session_reused? }
    end
  end

  def test_keys_that_cannot_be_used_raise_and_change_nothing
    tls = EM::TLS.new(localhost(ticket_keys: [key]))
    secret = "secret" * 10
    ["x" * 80, 80, {}, [secret], [nil], Array.new(9) { key }].each do |keys|
      [-> { EM::TLS.new(ticket_keys: keys) }, -> { tls.ticket_keys = keys }].each do |call|
        error = assert_raises(ArgumentError, &call)
        assert_match(/\Aticket_keys must be up to 8 Strings of 80 bytes, not /, error.message)
        refute_includes error.message, "secret"
      end
    end
    tls.ticket_keys = Array.new(8) { key }
    refute_includes tls.inspect, secret
  end
end
