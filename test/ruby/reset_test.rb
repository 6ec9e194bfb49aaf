# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# Peers that reset their connection instead of ending it, in every state that our connection can be in. Each such
# connection is unbound once, with a reason that says so, and all others are served as before.

require "test_helper"

class ResetTest < ReactorTest
  repeat_under_gc_pressure except: [/two_hundred/]

  RESET = [Errno::ECONNRESET, Errno::EPIPE].freeze

  # @return [Scripted] the accepted connection, after its peer has done what the block says
  def accepted_from(**script)
    accepted = nil
    reactor do
      port = server(post_init: ->(it) { (accepted = it) && script[:begun]&.call(it) },
                    receive_data: script[:receive_data],
                    unbind: ->(*) { EM.stop })
      yield peer(port), -> { accepted }
    end
    accepted
  end

  def assert_reset(connection)
    assert_equal 1, connection.events.count(:unbind)
    assert_includes RESET, connection.reason
  end

  def test_a_client_that_has_reset_before_it_was_accepted_has_an_address
    names = []
    know = ->(accepted) { names << accepted.get_peername }
    name = nil
    reactor do
      port = server(post_init: know, unbind: ->(accepted, _) { know.call(accepted) && EM.stop })
      socket = TCPSocket.new("127.0.0.1", port)
      name = socket.local_address.to_sockaddr
      reset(socket)
    end
    assert_equal [name] * 2, names
  end

  def test_while_idle
    assert_reset(accepted_from { |socket, accepted| as_soon_as(accepted) { reset(socket) } })
  end

  def test_after_a_message
    accepted = accepted_from(receive_data: ->(*) { EM.add_timer(0.005) { reset(@socket) } }) do |socket, _|
      (@socket = socket).write("message")
    end
    assert_reset(accepted)
    assert_equal "message", accepted.received
  end

  def test_while_output_is_queued
    flood = ->(it) { it.send_data("x" * 20_000_000) }
    assert_reset(accepted_from(begun: flood) { |socket, _| EM.add_timer(0.02) { reset(socket) } })
  end

  def test_while_closing_after_writing
    flood = lambda do |it|
      it.send_data("x" * 20_000_000)
      it.close_connection_after_writing
    end
    connection = accepted_from(begun: flood) { |socket, _| EM.add_timer(0.02) { reset(socket) } }
    assert_equal 1, connection.events.count(:unbind)
  end

  def test_while_sending_again_and_again
    send_more = ->(it) { EM.add_periodic_timer(0.001) { it.send_data("x" * 1000) } }
    assert_reset(accepted_from(begun: send_more) { |socket, _| EM.add_timer(0.02) { reset(socket) } })
  end

  def test_while_paused_it_is_noticed_after_resuming_at_the_latest
    pause = ->(it) { it.pause && EM.add_timer(0.05) { it.resume } }
    connection = accepted_from(begun: pause) { |socket, _| EM.add_timer(0.01) { reset(socket) } }
    assert_equal 1, connection.events.count(:unbind)
  end

  def test_before_the_connection_was_accepted
    conversation = nil
    reactor do
      port = port_of(EM.start_server("127.0.0.1", 0, Echo))
      10.times { reset(peer(port)) }
      conversation = talk(port) { |socket| socket.write("served") && socket.read(6) }
    end
    assert_equal "served", conversation.value
  end

  def test_a_clients_server
    connection = nil
    listening = listener
    reactor do
      connection = client(listening.local_address.ip_port,
                          connection_completed: ->(_) { EM.add_timer(0.005) { reset(listening.accept) } },
                          unbind: ->(*) { EM.stop })
    end
    assert_reset(connection)
  end

  def test_a_clients_server_that_has_unread_input
    connection = nil
    listening = listener
    reactor do
      connection = client(listening.local_address.ip_port, unbind: ->(*) { EM.stop })
      connection.send_data("never read")
      EM.add_timer(0.02) { listening.accept.close }
    end
    assert_reset(connection)
  end

  def test_two_hundred_resets_at_random_moments_do_no_harm
    born = unbound = 0
    random = Random.new(4)
    conversation = nil
    reactor do
      send_much = lambda do |it, data|
        it.send_data(data * random.rand(10_000))
        it.close_connection_after_writing if random.rand(4).zero?
      end
      port = server(post_init: ->(_) { born += 1 }, receive_data: send_much, unbind: ->(*) { unbound += 1 })
      conversation = talk(port) do |socket|
        200.times { meet_and_reset(port, random) }
        socket.write("x") && socket.read(1) && wait_until { unbound >= born - 1 }
      end
    end
    conversation.value
    assert_equal born, unbound
    assert_operator born, :>, 100
  end

  private

  def meet_and_reset(port, random)
    socket = peer(port)
    socket.write("x" * random.rand(2000)) if random.rand(3).positive?
    socket.readpartial(1) if random.rand(4).zero? && socket.wait_readable(0.002)
    reset(socket)
  rescue EOFError, Errno::ECONNRESET, Errno::EPIPE
    socket.close
  end
end
