# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# pause and resume: nothing is received or sent in between, nothing is lost.

require "test_helper"

class PauseTest < ReactorTest
  repeat_under_gc_pressure full: true

  def test_they_return_whether_they_changed_anything
    reactor do
      connection = client(server)
      results = [connection.paused?, connection.pause, connection.paused?, connection.pause,
                 connection.resume, connection.paused?, connection.resume]
      assert_equal [false, true, true, false, true, false, false], results
      EM.stop
    end
  end

  def test_the_functions_of_the_module_do_the_same
    reactor do
      signature = client(server).signature
      results = [EM.connection_paused?(signature), EM.pause_connection(signature), EM.connection_paused?(signature),
                 EM.resume_connection(signature), EM.resume_connection(signature)]
      assert_equal [false, true, true, true, false], results
      EM.stop
    end
  end

  def test_nothing_is_received_until_resume_and_then_everything
    accepted = early = nil
    conversation = nil
    reactor do
      resume = lambda do
        early = accepted.received.dup
        accepted.resume
      end
      port = server(post_init: ->(it) { (accepted = it).pause })
      conversation = talk(port) do |socket|
        socket.write("while paused")
        wait_until { accepted }
        EM.next_tick { EM.add_timer(0.02, resume) }
        wait_until { accepted&.received&.bytesize == 12 }
      end
    end
    conversation.value
    assert_equal ["", "while paused"], [early, accepted.received]
  end

  def test_nothing_is_sent_until_resume_and_then_everything
    conversation = nil
    reactor do
      accepted = nil
      port = server(post_init: lambda { |it|
        it.pause
        it.send_data("queued")
        accepted = it
      })
      conversation = talk(port) do |socket|
        wait_until { accepted }
        early = socket.wait_readable(0.02)
        EM.next_tick { accepted.resume }
        [early, socket.read(6)]
      end
    end
    assert_equal [nil, "queued"], conversation.value
  end

  def test_pausing_in_receive_data_holds_back_the_next_chunk
    accepted = chunks_while_paused = nil
    reactor do
      pause_first = ->(it, _) { it.pause if it.events.count(:receive_data) == 1 }
      port = server(post_init: ->(it) { accepted = it }, receive_data: pause_first)
      talk(port) do |socket|
        socket.write("x" * 300_000)
        wait_until { accepted&.paused? }
        sleep 0.02
        chunks_while_paused = accepted.events.count(:receive_data)
        EM.next_tick { accepted.resume }
        wait_until { accepted.received.bytesize == 300_000 }
      end
    end
    assert_equal 1, chunks_while_paused
  end

  def test_the_peers_end_is_noticed_after_resume
    accepted = nil
    events_while_paused = nil
    reactor do
      port = server(post_init: ->(it) { (accepted = it).pause }, unbind: ->(*) { EM.stop })
      socket = peer(port)
      socket.write("last words")
      socket.close
      EM.add_timer(0.05) do
        events_while_paused = accepted.events.dup
        accepted.resume
      end
    end
    assert_equal %i[initialize post_init], events_while_paused
    assert_equal [%i[initialize post_init receive_data unbind], "last words"], [accepted.events, accepted.received]
  end

  def test_a_paused_connection_may_be_closed
    connection = nil
    reactor do
      connection = client(server, unbind: ->(*) { EM.stop })
      connection.pause
      connection.close_connection
    end
    assert_equal [:unbind, nil], [connection.events.last, connection.reason]
  end

  def test_closing_after_writing_waits_for_resume
    order = []
    conversation = nil
    reactor do
      port = server(unbind: ->(*) { order << :unbind },
                    post_init: lambda { |it|
                      it.pause
                      it.send_data("queued")
                      it.close_connection_after_writing
                      EM.add_timer(0.05) { (order << :resume) && it.resume }
                    })
      conversation = talk(port, &:read)
    end
    assert_equal ["queued", %i[resume unbind]], [conversation.value, order.first(2)]
  end

  def test_receive_data_is_not_called_while_a_client_is_paused
    connection = nil
    reactor do
      port = server(post_init: ->(it) { it.send_data("welcome") })
      connection = client(port, connection_completed: lambda(&:pause))
      EM.add_timer(0.03) { EM.stop }
    end
    assert_equal "", connection.received
    assert_includes connection.events, :connection_completed
  end

  def test_pausing_and_resuming_in_one_callback_loses_nothing
    conversation = nil
    reactor do
      echo = lambda do |it, data|
        it.pause
        it.send_data(data)
        it.resume
      end
      conversation = talk(server(receive_data: echo)) do |socket|
        Array.new(20) { |i| socket.write(i % 10) && socket.read(1) }.join
      end
    end
    assert_equal "01234567890123456789", conversation.value
  end
end
