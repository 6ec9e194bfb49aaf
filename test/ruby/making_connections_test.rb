# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# How a connection object is created: initialize, post_init, the block; what works in them already, and what happens to
# the socket if one of them raises.

require "test_helper"

class MakingConnectionsTest < ReactorTest
  repeat_under_gc_pressure full: true

  class Failure < StandardError; end

  def test_initialize_then_post_init_then_the_block_then_the_return
    order = []
    reactor do
      port = server
      connection = EM.connect("127.0.0.1", port, Scripted) { |given| order << given << given.events.dup }
      order << connection
      EM.stop
    end
    assert_equal [order.last, %i[initialize post_init], order.last], order
  end

  def test_accepted_connections_are_given_to_the_block_of_the_server
    given = []
    reactor do
      port = port_of(EM.start_server("127.0.0.1", 0, Scripted) { |accepted| given << accepted.events.dup })
      3.times { client(port) }
      as_soon_as(-> { given.size == 3 }) { EM.stop }
    end
    assert_equal [%i[initialize post_init]] * 3, given
  end

  def test_subclasses_need_not_call_super
    handler = Class.new(EM::Connection) do
      def initialize(greeting)
        @early = signature
        send_data(greeting)
      end

      def post_init = send_data(" world")
      def early? = @early == signature
    end
    connection = conversation = nil
    reactor do
      port = port_of(EM.start_server("127.0.0.1", 0, handler, "hello") { |accepted| connection = accepted })
      conversation = talk(port) { |socket| socket.read(11) }
    end
    assert_equal "hello world", conversation.value
    assert connection.early?
  end

  def test_timeouts_may_be_set_in_initialize
    handler = Class.new(EM::Connection) do
      def initialize
        self.comm_inactivity_timeout = 2.5
        self.pending_connect_timeout = 1.5
      end
    end
    timeouts = nil
    reactor do
      connection = EM.connect("127.0.0.1", server, handler)
      timeouts = [connection.comm_inactivity_timeout, connection.pending_connect_timeout]
      EM.stop
    end
    assert_equal [2.5, 1.5], timeouts
  end

  def test_a_hash_arrives_as_a_positional_argument
    handler = Class.new(EM::Connection) do
      attr_reader :options

      def initialize(options)
        @options = options
      end
    end
    options = nil
    reactor do
      options = EM.connect("127.0.0.1", server, handler, { host: "h", "port" => 1 }).options
      EM.stop
    end
    assert_equal({ host: "h", "port" => 1 }, options)
  end

  def test_the_base_class_takes_any_arguments
    connection = nil
    reactor do
      connection = EM.connect("127.0.0.1", server, EM::Connection)
      EM.stop
    end
    assert_instance_of EM::Connection, connection
    assert_equal [:@signature], connection.instance_variables | [:@signature]
  end

  def test_signatures_are_positive_and_grow
    signatures = []
    reactor do
      signatures << EM.start_server("127.0.0.1", 0)
      3.times { signatures << client(port_of(signatures.first)).signature }
      signatures << EM.add_timer(1) { nil }
      EM.stop
    end
    reactor { EM.start_server("127.0.0.1", 0).then { |signature| signatures << signature } and EM.stop }
    assert_operator signatures.first, :>, 0
    assert_equal signatures.sort.uniq, signatures
  end

  %i[initialize post_init].each do |place|
    define_method("test_an_error_in_#{place}_reaches_the_caller_and_closes_the_socket_silently") do
      unbound = false
      fail_there = { place => ->(_) { raise Failure, "born dead" }, unbind: ->(*) { unbound = true } }
      listening = listener
      reactor do
        port = listening.local_address.ip_port
        assert_equal "born dead", assert_raises(Failure) { client(port, **fail_there) }.message
        as_soon_as(-> { EM.connection_count.zero? }) { EM.next_tick { EM.stop } }
      end
      refute unbound
    end

    define_method("test_an_error_in_#{place}_of_an_accepted_connection_closes_only_that_one") do
      errors = []
      unbound = false
      EM.error_handler { |error| errors << error.message }
      scripts = [{ place => ->(_) { raise Failure, "born dead" }, unbind: ->(*) { unbound = true } }, {}]
      handler = Class.new(Scripted) { define_method(:initialize) { super(scripts.shift) } }
      conversation = nil
      reactor do
        port = port_of(EM.start_server("127.0.0.1", 0, handler) { |accepted| accepted.send_data("hello") })
        conversation = talk(port) { |socket| [socket.read, peer(port).read(5)] }
      end
      assert_equal ["", "hello"], conversation.value
      assert_equal ["born dead"], errors
      refute unbound
    end
  end

  def test_after_an_error_in_the_block_the_connection_stays_open
    connection = nil
    reactor do
      port = server(receive_data: ->(accepted, data) { accepted.send_data(data) })
      assert_raises(Failure) do
        EM.connect("127.0.0.1", port, Scripted, { receive_data: ->(*) { EM.stop } }) do |given|
          connection = given
          raise Failure
        end
      end
      connection.send_data("alive")
    end
    assert_equal "alive", connection.received
    assert_equal :unbind, connection.events.last
  end

  INSTANCE_METHODS = %i[
    associate_callback_target close_connection close_connection_after_writing comm_inactivity_timeout
    comm_inactivity_timeout= connection_completed detach disable_keepalive enable_keepalive error? get_cipher_bits
    get_cipher_name get_cipher_protocol get_idle_time get_outbound_data_size get_peer_cert get_peername get_pid
    get_proxied_bytes get_sni_hostname get_sock_opt get_sockname get_status notify_readable= notify_readable?
    notify_writable= notify_writable? original_method pause paused? pending_connect_timeout pending_connect_timeout=
    post_init proxy_completed proxy_incoming_to proxy_target_unbound receive_data reconnect resume send_data
    send_datagram send_file_data set_comm_inactivity_timeout set_pending_connect_timeout set_sock_opt signature
    signature= ssl_handshake_completed ssl_verify_peer start_tls stop_proxying stream_file_data unbind watch_only?
    get_alpn_protocol get_reason_text get_peer_cert_chain get_tls_verdict tls_session_resumed?
  ].freeze

  def test_a_connection_defines_no_other_names_than_those_of_the_interface
    assert_empty EM::Connection.public_instance_methods(false) - INSTANCE_METHODS
  end
end
