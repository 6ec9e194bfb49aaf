# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# Closing a connection, at once or after writing: what still arrives at the peer, what the calls return, when unbind is
# called; and what a peer receives that closes its own half first.

require "test_helper"

class ClosingTest < ReactorTest
  repeat_under_gc_pressure except: [/everything/, /drops/, /only_true/, /upgraded/, /reply/, /never_reads/, /draining/]

  LARGE = 20_000_000

  # @return [String] what the peer of an accepted connection reads until its end or a reset
  def read_by_peer(**script)
    conversation = nil
    reactor do
      conversation = talk(server(**script)) do |socket|
        sleep 0.05 # Reads nothing until the server has had its turn.
        read_all(socket)
      end
    end
    conversation.value
  end

  def test_close_connection_returns_nil_and_unbind_is_called_later
    results = []
    unbound = false
    close = lambda do |it|
      results << it.close_connection << it.close_connection_after_writing << unbound
    end
    reactor { client(server, connection_completed: close, unbind: ->(*) { (unbound = true) && EM.stop }) }
    assert_equal [nil, nil, false], results
    assert unbound
  end

  def test_close_connection_drops_what_is_queued
    data = read_by_peer(post_init: lambda { |it|
      it.send_data("x" * LARGE)
      it.close_connection
    })
    assert_operator data.bytesize, :<, LARGE
  end

  def test_after_writing_everything_that_was_sent_arrives
    data = read_by_peer(post_init: lambda { |it|
      it.send_data("x" * LARGE)
      it.close_connection_after_writing
    })
    assert_equal LARGE, data.bytesize
  end

  def test_only_true_means_after_writing
    [1, :after_writing, "true", nil, false].each do |value|
      data = read_by_peer(post_init: lambda { |it|
        it.send_data("x" * LARGE)
        it.close_connection(value)
      })
      assert_operator data.bytesize, :<, LARGE, value.inspect
    end
    data = read_by_peer(post_init: lambda { |it|
      it.send_data("x" * LARGE)
      it.close_connection(true)
    })
    assert_equal LARGE, data.bytesize
  end

  def test_closing_after_writing_can_be_upgraded_to_closing_at_once
    data = read_by_peer(post_init: lambda { |it|
      it.send_data("x" * LARGE)
      it.close_connection_after_writing
      EM.add_timer(0.01) { it.close_connection }
    })
    assert_operator data.bytesize, :<, LARGE
  end

  def test_nothing_is_accepted_for_sending_once_a_close_is_scheduled
    results = []
    data = read_by_peer(post_init: lambda { |it|
      it.send_data("sent")
      it.close_connection_after_writing
      results << it.send_data("too late") << it.send_data("")
    })
    read_by_peer(post_init: lambda { |it|
      it.close_connection
      results << it.send_data("too late")
    })
    assert_equal ["sent", [0, 0, 0]], [data, results]
  end

  def test_close_connection_after_writing_goes_through_close_connection
    calls = []
    reactor do
      connection = client(server, unbind: ->(*) { EM.stop })
      connection.define_singleton_method(:close_connection) { |*arguments| (calls << arguments) && super(*arguments) }
      connection.close_connection_after_writing
    end
    assert_equal [[true]], calls
  end

  %i[initialize post_init connection_completed receive_data].each do |callback|
    define_method("test_a_client_may_close_in_#{callback}") do
      connection = nil
      reactor do
        port = server(post_init: ->(it) { it.send_data("data") })
        connection = client(port, callback => ->(it, *) { it.close_connection }, unbind: ->(*) { EM.stop })
      end
      assert_equal [1, nil], [connection.events.count(:unbind), connection.reason]
      assert_includes connection.events, callback
    end

    define_method("test_an_accepted_connection_may_close_after_writing_in_#{callback}") do
      next if callback == :connection_completed

      conversation = nil
      reactor do
        port = server(callback => lambda { |it, *|
          it.send_data("goodbye")
          it.close_connection_after_writing
        })
        conversation = talk(port) { |socket| socket.write("data") && read_all(socket) }
      end
      assert_equal "goodbye", conversation.value
    end
  end

  def test_data_that_a_pending_client_sent_before_closing_after_writing_arrives
    listening = listener
    connection = nil
    reactor do
      connection = client(listening.local_address.ip_port, unbind: ->(*) { EM.stop })
      connection.send_data("letter")
      connection.close_connection_after_writing
    end
    assert_equal "letter", ours(listening.accept).read
    assert_nil connection.reason
  end

  def test_a_pending_client_that_sent_nothing_may_close_after_writing
    connection = nil
    reactor do
      connection = client(server, unbind: ->(*) { EM.stop })
      connection.close_connection_after_writing
    end
    assert_equal [1, nil], [connection.events.count(:unbind), connection.reason]
  end

  def test_closing_after_writing_to_a_closed_port_ends_with_the_reason
    connection = nil
    reactor do
      connection = client(closed_port, unbind: ->(*) { EM.stop })
      connection.send_data("letter")
      connection.close_connection_after_writing
    end
    assert_equal Errno::ECONNREFUSED, connection.reason
  end

  def test_the_peer_sees_an_end_and_no_reset
    assert_equal "", read_by_peer(post_init: lambda(&:close_connection))
  end

  def test_a_peer_that_closes_its_half_gets_its_whole_reply
    reply = "x" * 5_000_000
    unbound = 0
    conversation = nil
    reactor do
      port = server(receive_data: ->(it, _) { it.send_data(reply) }, unbind: ->(*) { unbound += 1 })
      conversation = talk(port) do |socket|
        socket.write("request")
        socket.close_write
        sleep 0.05 # The end arrives while most of the reply is still queued.
        read_all(socket).tap { wait_until { unbound.positive? } }
      end
    end
    assert_equal [reply.bytesize, 1], [conversation.value.bytesize, unbound]
  end

  def test_unbind_is_called_at_once_when_a_peer_closes_its_half_and_its_reply_still_arrives
    unbound = 0
    conversation = nil
    reactor do
      port = server(receive_data: ->(it, _) { it.send_data("x" * LARGE) }, unbind: ->(*) { unbound += 1 })
      conversation = talk(port) do |socket|
        socket.write("request")
        socket.close_write
        wait_until { unbound.positive? }
        read_all(socket)
      end
    end
    assert_equal [LARGE, 1], [conversation.value.bytesize, unbound]
  end

  def test_a_short_reply_arrives_though_the_reactor_stops_in_unbind
    reading = nil
    reactor do
      port = server(receive_data: ->(it, _) { it.send_data("reply") }, unbind: ->(*) { EM.stop })
      peer = ours(TCPSocket.new("127.0.0.1", port))
      peer.write("request")
      peer.close_write
      reading = peer
    end
    assert_equal "reply", read_all(reading)
  end

  def test_the_reply_to_a_peer_that_never_reads_is_not_kept_forever
    reason = :none
    reactor do
      port = server(post_init: ->(it) { EM.set_drain_timeout(it.signature, 0.2) },
                    receive_data: ->(it, _) { it.send_data("x" * LARGE) }, unbind: ->(_, given) { reason = given })
      peer = ours(TCPSocket.new("127.0.0.1", port))
      peer.write("request")
      peer.close_write
      EM.add_periodic_timer(0.01) { EM.stop if reason != :none && EM.stats[:outbox_bytes].zero? }
    end
    assert_nil reason
  end

  def test_a_peer_that_never_reads_does_not_delay_closing_after_writing_forever
    connection = nil
    listening = listener
    reactor do
      connection = client(listening.local_address.ip_port, unbind: ->(*) { EM.stop })
      EM.set_drain_timeout(connection.signature, 0.2)
      connection.send_data("x" * LARGE)
      connection.close_connection_after_writing
    end
    assert_equal [1, Errno::ETIMEDOUT], [connection.events.count(:unbind), connection.reason]
  end

  def test_input_while_draining_does_no_harm
    conversation = nil
    reactor do
      port = server(receive_data: lambda { |it, _|
        it.send_data("x" * LARGE)
        it.close_connection_after_writing
      })
      conversation = talk(port) do |socket|
        socket.write("first")
        socket.read(100_000)
        socket.write("more")
        read_all(socket).bytesize
      end
    end
    assert_equal LARGE - 100_000, conversation.value
  end

  def test_a_peer_that_neither_reads_nor_leaves_can_be_closed_at_once
    connection = nil
    listening = listener
    reactor do
      connection = client(listening.local_address.ip_port, unbind: ->(*) { EM.stop })
      connection.send_data("x" * LARGE)
      connection.close_connection_after_writing
      EM.add_timer(0.03) { connection.close_connection }
    end
    assert_equal [1, nil], [connection.events.count(:unbind), connection.reason]
  end

  private

  def read_all(socket)
    data = +""
    data << socket.readpartial(65_536) while true
  rescue EOFError, Errno::ECONNRESET
    data
  end
end
