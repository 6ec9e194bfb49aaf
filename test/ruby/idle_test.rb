# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# A loop that has nothing to do uses no processor time, whatever it waits for.

require "test_helper"

class IdleTest < ReactorTest
  DURATION = 0.5

  # @return [Integer] how many turns the loop makes, from soon after the block until the reactor stops
  def turns_after
    turns = nil
    reactor do
      yield
      EM.add_timer(0.1) do
        before = EM.stats[:turns]
        EM.add_timer(DURATION) do
          turns = EM.stats[:turns] - before
          EM.stop
        end
      end
    end
    turns
  end

  # A loop that spins makes thousands. On a busy machine the work that the block has begun may take longer.
  def assert_idle(&block)
    assert_operator turns_after(&block), :<, 50
  end

  def test_with_nothing_at_all
    assert_idle { nil }
  end

  def test_with_servers_and_idle_connections
    assert_idle do
      port = server
      20.times { client(port).comm_inactivity_timeout = 30 }
    end
  end

  def test_with_a_paused_connection_that_has_input_and_output
    assert_idle do
      port = server(post_init: lambda { |it|
        it.pause
        it.send_data("x" * 1000)
      })
      peer(port).write("x" * 1000)
    end
  end

  def test_with_a_paused_connection_whose_peer_has_left
    assert_idle do
      port = server(post_init: lambda(&:pause))
      peer(port).tap { |socket| socket.write("x") }.close
    end
  end

  def test_with_output_for_a_peer_that_does_not_read
    assert_idle { peer(server(post_init: ->(it) { it.send_data("x" * 20_000_000) })) }
  end

  def test_with_a_close_after_writing_to_a_peer_that_does_not_read
    assert_idle do
      peer(server(post_init: lambda { |it|
        it.send_data("x" * 20_000_000)
        it.close_connection_after_writing
      }))
    end
  end

  def test_with_a_close_after_writing_on_a_paused_connection
    assert_idle do
      peer(server(post_init: lambda { |it|
        it.pause
        it.send_data("x")
        it.close_connection_after_writing
      }))
    end
  end

  def test_with_a_peer_that_closed_its_half_and_does_not_read_its_reply
    assert_idle do
      port = server(receive_data: ->(it, _) { it.send_data("x" * 20_000_000) })
      peer(port).tap { |socket| socket.write("request") }.close_write
    end
  end

  def test_with_a_connection_attempt_that_is_never_answered
    port = unresponsive_port
    assert_idle { client(port).send_data("x") }
  end

  def test_with_timers_far_away_and_cancelled_ones
    assert_idle do
      1000.times { |i| EM.add_timer(60 + i) { nil } }
      1000.times { EM.cancel_timer(EM.add_timer(0.2) { nil }) }
    end
  end

  def test_with_an_idle_thread_pool
    assert_idle { EM.defer { sleep } }
  end

  def test_a_busy_server_sleeps_between_messages
    conversation = nil
    reactor do
      conversation = talk(port_of(EM.start_server("127.0.0.1", 0, Echo))) do |socket|
        before = EM.stats[:turns]
        25.times do
          socket.write("x") && socket.read(1)
          sleep 0.02
        end
        EM.stats[:turns] - before
      end
    end
    # A few for each message.
    assert_operator conversation.value, :<, 150
  end
end
