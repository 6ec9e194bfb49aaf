# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# The callbacks of a connection: their order, and how they may be defined. What receive_data is given is the subject of
# receive_data_test.rb.

require "test_helper"

class CallbackOrderTest < ReactorTest
  repeat_under_gc_pressure full: true

  def test_a_clients_callbacks_are_called_in_order
    connection = nil
    reactor do
      port = port_of(EM.start_server("127.0.0.1", 0, Echo))
      connection = client(port, receive_data: ->(it, _) { it.close_connection }, unbind: ->(*) { EM.stop })
      connection.send_data("data")
    end
    assert_equal %i[initialize post_init connection_completed receive_data unbind], connection.events
  end

  def test_an_accepted_connections_callbacks_are_called_in_order_without_connection_completed
    accepted = nil
    reactor do
      port = server(post_init: ->(it) { accepted = it }, unbind: ->(*) { EM.stop })
      talk_and_close(port)
    end
    assert_equal %i[initialize post_init receive_data unbind], accepted.events
  end

  def test_unbind_is_called_once_in_however_many_ways_a_connection_ends
    accepted = nil
    conversation = nil
    reactor do
      over_and_over = lambda do |it, _|
        it.close_connection_after_writing
        it.close_connection
        EM.close_connection(it.signature, false)
      end
      port = server(post_init: ->(it) { accepted = it }, receive_data: over_and_over)
      conversation = talk(port) do |socket|
        socket.write("data")
        reset(socket)
        wait_until { accepted&.events&.include?(:unbind) }
      end
    end
    conversation.value
    assert_equal 1, accepted.events.count(:unbind)
  end

  def test_after_unbind_no_callback_is_called
    events = []
    reactor do
      port = port_of(EM.start_server("127.0.0.1", 0, Echo))
      note = ->(name) { ->(*) { events << name } }
      connection = client(port, receive_data: note[:receive_data], unbind: note[:unbind])
      connection.send_data("data" * 10_000)
      connection.send_data("more")
      EM.add_timer(0.01) { connection.close_connection }
      EM.add_timer(0.05) { EM.stop }
    end
    assert_equal :unbind, events.last
    assert_equal 1, events.count(:unbind)
  end

  def test_connections_may_close_one_another_in_their_callbacks
    accepted = []
    reactor do
      close_all = ->(*) { accepted.each(&:close_connection) }
      port = server(post_init: ->(it) { accepted << it }, receive_data: close_all)
      sockets = Array.new(10) { peer(port) }
      as_soon_as(-> { accepted.size == 10 }) { sockets.each { |socket| socket.write("x") } }
      as_soon_as(-> { accepted.size == 10 && accepted.all? { |it| it.events.include?(:unbind) } }) { EM.stop }
    end
    assert_equal [1], accepted.map { |it| it.events.count(:unbind) }.uniq
  end

  def test_callbacks_may_be_private
    seen = []
    handler = Class.new(EM::Connection) do
      define_method(:initialize) { super() }

      private

      define_method(:post_init) { seen << :post_init }
      define_method(:connection_completed) { seen << :connection_completed }
      define_method(:receive_data) { |_| (seen << :receive_data) && close_connection }
      define_method(:unbind) { |_ = nil| (seen << :unbind) && EM.stop }
      private :post_init, :connection_completed, :receive_data, :unbind
    end
    reactor do
      EM.connect("127.0.0.1", port_of(EM.start_server("127.0.0.1", 0, Echo)), handler).send_data("data")
    end
    assert_equal %i[post_init connection_completed receive_data unbind], seen
  end

  def test_callbacks_may_be_defined_on_the_object_itself
    seen = []
    reactor do
      EM.connect("127.0.0.1", port_of(EM.start_server("127.0.0.1", 0, Echo))) do |connection|
        connection.define_singleton_method(:connection_completed) { seen << :completed }
        connection.define_singleton_method(:receive_data) { |data| (seen << data) && close_connection }
        connection.define_singleton_method(:unbind) { |reason| (seen << reason) && EM.stop }
        connection.send_data("data")
      end
    end
    assert_equal [:completed, "data", nil], seen
  end

  def test_callbacks_may_call_super
    seen = []
    handler = Module.new { define_method(:receive_data) { |data| (seen << [:module, data]) && super(data) } }
    base = Class.new(EM::Connection) { define_method(:receive_data) { |data| (seen << [:base, data]) && EM.stop } }
    extended = Class.new(base) { include handler }
    reactor do
      EM.connect("127.0.0.1", port_of(EM.start_server("127.0.0.1", 0, Echo)), extended).send_data("x")
    end
    assert_equal [[:module, "x"], [:base, "x"]], seen
  end

  def test_a_handler_may_be_redefined_while_it_is_connected
    seen = []
    handler = Class.new(EM::Connection) { define_method(:receive_data) { |data| seen << data } }
    reactor do
      connection = EM.connect("127.0.0.1", port_of(EM.start_server("127.0.0.1", 0, Echo)), handler)
      connection.send_data("1")
      as_soon_as(-> { seen.any? }) do
        handler.remove_method(:receive_data)
        handler.define_method(:receive_data) { |data| (seen << data.to_i) && EM.stop }
        connection.send_data("2")
      end
    end
    assert_equal ["1", 2], seen
  end

  private

  # Sends something and closes.
  def talk_and_close(port)
    socket = peer(port)
    socket.write("data")
    socket.close
  end
end

class UnbindTest < ReactorTest
  repeat_under_gc_pressure full: true

  # @return what the block's connection has noted in unbind, which is called without or with a reason
  def noted(port = nil)
    seen = []
    reactor do
      connection = EM.connect("127.0.0.1", port || server) { |it| yield(it, seen) }
      connection.close_connection unless port
      as_soon_as(-> { seen.any? }) { EM.stop }
    end
    seen
  end

  def test_unbind_without_parameters_gets_no_reason
    assert_equal [[]], noted { |it, seen| it.define_singleton_method(:unbind) { seen << [] } }
  end

  def test_unbind_with_a_parameter_gets_the_reason
    assert_equal [[nil]], noted { |it, seen| it.define_singleton_method(:unbind) { |reason| seen << [reason] } }
  end

  def test_unbind_with_an_optional_parameter_gets_the_reason
    refused = noted(closed_port) { |it, seen| it.define_singleton_method(:unbind) { |reason = 1| seen << reason } }
    assert_equal [Errno::ECONNREFUSED], refused
  end

  def test_unbind_with_a_splat_gets_the_reason
    refused = noted(closed_port) { |it, seen| it.define_singleton_method(:unbind) { |*all| seen << all } }
    assert_equal [[Errno::ECONNREFUSED]], refused
  end

  def test_unbind_defined_in_a_class_without_parameters
    seen = []
    plain = Class.new(EM::Connection) { define_method(:unbind) { (seen << :unbind) && EM.stop } }
    reactor { EM.connect("127.0.0.1", server, plain).close_connection }
    assert_equal [:unbind], seen
  end

  def test_a_handler_may_have_a_method_named_method
    seen = []
    handler = Class.new(EM::Connection) do
      define_method(:method) { "GET" }
      define_method(:send) { |*| flunk "send is the handler's own" }
      define_method(:unbind) { (seen << method) && EM.stop }
    end
    reactor { EM.connect("127.0.0.1", server, handler).close_connection }
    assert_equal ["GET"], seen
  end

  def test_the_peers_end_gives_no_reason
    connection = nil
    reactor do
      port = server(post_init: lambda(&:close_connection))
      connection = client(port, unbind: ->(*) { EM.stop })
    end
    assert_nil connection.reason
    assert_equal :unbind, connection.events.last
  end

  def test_in_unbind_the_connection_is_gone_already
    results = nil
    reactor do
      ask = lambda do |it, _|
        results = [it.send_data("late"), it.close_connection, it.close_connection_after_writing,
                   it.get_outbound_data_size]
        EM.stop
      end
      client(server, unbind: ask).close_connection
    end
    assert_equal [-1, nil, nil, 0], results
  end

  def test_a_reset_is_the_reason
    connection = nil
    listening = listener
    reactor do
      connection = client(listening.local_address.ip_port, unbind: ->(*) { EM.stop },
                                                           connection_completed: ->(_) { reset(listening.accept) })
    end
    assert_equal Errno::ECONNRESET, connection.reason
  end
end
