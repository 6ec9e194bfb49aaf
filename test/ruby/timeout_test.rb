# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# The two timeouts of a connection: inactivity, and the time that connecting may take.

require "test_helper"

class InactivityTimeoutTest < ReactorTest
  def test_an_idle_connection_is_closed_with_a_reason
    at_best(0.55) do
      connection = nil
      elapsed = seconds do
        reactor do
          connection = client(server, unbind: ->(*) { EM.stop })
          connection.comm_inactivity_timeout = 0.3
        end
      end
      assert_equal Errno::ETIMEDOUT, connection.reason
      assert_operator elapsed, :>, 0.25
      elapsed
    end
  end

  def test_the_time_counts_from_the_last_activity
    # A loop that looks only every 0.4 s closes after 0.6 s.
    at_best(0.55) do
      ended = active = nil
      reactor do
        port = server(post_init: ->(it) { it.comm_inactivity_timeout = 0.4 }, receive_data: ->(*) { active = now },
                      unbind: ->(*) { (ended = now) && EM.stop })
        connection = client(port)
        EM.add_timer(0.2) { connection.send_data("still here") }
      end
      next Float::INFINITY unless active # This machine was so busy that the connection was idle for too long at once.

      assert_operator ended - active, :>, 0.35
      ended - active
    end
  end

  def test_receiving_keeps_a_connection_open
    # On a busy machine pauses may be as long as the timeout, and then closing is right.
    at_best(0.25) do
      longest = 0
      conversation = nil
      reactor do
        port = server(post_init: ->(it) { it.comm_inactivity_timeout = 0.25 })
        conversation = talk(port) do |socket|
          last = now
          8.times do
            sleep 0.06
            socket.write("x")
            longest = [longest, now - last].max
            last = now
          end
          socket.wait_readable(0) ? :closed : :open
        rescue Errno::EPIPE, Errno::ECONNRESET
          :closed
        end
      end
      conversation.value == :open ? longest : Float::INFINITY
    end
  end

  def test_sending_keeps_a_connection_open
    conversation = nil
    reactor do
      send_often = ->(it) { EM.add_periodic_timer(0.05) { it.send_data("x") } }
      port = server(post_init: ->(it) { it.comm_inactivity_timeout = 0.25 and send_often.call(it) })
      conversation = talk(port) { |socket| socket.read(10) }
    end
    assert_equal "x" * 10, conversation.value
  end

  def test_the_time_counts_from_the_reply_however_long_it_took_to_make
    %i[before after].each do |set|
      connection = nil
      reactor do
        port = server(post_init: ->(it) { (connection = it).comm_inactivity_timeout = set == :before ? 0.5 : 0 },
                      receive_data: lambda { |it, _|
                        sleep 0.7
                        it.send_data("answer")
                        it.comm_inactivity_timeout = 0.5
                        turns_later(3) { EM.stop }
                      },
                      unbind: ->(it, *) { it.reason && EM.stop })
        client(port).send_data("question")
      end
      assert_nil connection.reason, set
    end
  end

  def test_data_that_waits_while_paused_is_not_inactivity
    connection = nil
    reactor do
      port = server(post_init: ->(it) { (connection = it).pause && it.comm_inactivity_timeout = 0.1 },
                    receive_data: ->(*) { EM.stop }, unbind: ->(*) { EM.stop })
      client(port).send_data("data")
      EM.add_timer(0.4) { connection.resume }
    end
    assert_equal [1, nil], [connection.events.count(:receive_data), connection.reason]
  end

  def test_it_works_while_paused
    connection = nil
    reactor do
      connection = client(server, connection_completed: lambda(&:pause), unbind: ->(*) { EM.stop })
      connection.comm_inactivity_timeout = 0.1
    end
    assert_equal Errno::ETIMEDOUT, connection.reason
  end

  def test_it_closes_a_connection_whose_peer_does_not_read
    connection = nil
    listening = listener
    reactor do
      connection = client(listening.local_address.ip_port, unbind: ->(*) { EM.stop })
      connection.comm_inactivity_timeout = 0.2
      connection.send_data("x" * 20_000_000)
      connection.close_connection_after_writing
    end
    assert_equal Errno::ETIMEDOUT, connection.reason
  end

  def test_it_may_be_changed_and_switched_off_meanwhile
    connection = ended = nil
    reactor do
      connection = client(server, unbind: ->(*) { ended = now })
      connection.comm_inactivity_timeout = 0.2
      EM.next_tick { connection.comm_inactivity_timeout = 0 }
      EM.add_timer(0.3) { (ended = nil) || EM.stop }
    end
    assert_equal [1, nil], [connection.events.count(:unbind), connection.reason]
  end

  def test_it_may_be_shortened_meanwhile
    connection = nil
    reactor do
      connection = client(server, unbind: ->(*) { EM.stop })
      connection.comm_inactivity_timeout = self.class.time_limit * 2
      EM.add_timer(0.05) { connection.comm_inactivity_timeout = 0.1 }
    end
    assert_equal Errno::ETIMEDOUT, connection.reason
  end

  private

  def turns_later(turns, &block)
    turns.zero? ? yield : EM.next_tick { turns_later(turns - 1, &block) }
  end
end

class TimeoutSettingTest < ReactorTest
  repeat_under_gc_pressure

  # @return what the block returns, which is given a connection to a server
  def with_connection
    result = nil
    reactor do
      result = yield client(server)
      EM.stop
    end
    result
  end

  def test_the_inactivity_timeout_is_off_by_default
    assert_equal 0.0, with_connection(&:comm_inactivity_timeout)
  end

  def test_the_inactivity_timeout_reads_back_as_a_float
    with_connection do |it|
      { 2.5 => 2.5, 0.3 => 0.3, 3 => 3.0, "1.5" => 1.5, 0 => 0.0 }.each do |given, read|
        it.comm_inactivity_timeout = given
        assert_in_delta read, it.comm_inactivity_timeout, 0.001
        assert_kind_of Float, it.comm_inactivity_timeout
      end
      assert_equal true, it.set_comm_inactivity_timeout(2.5)
      assert_equal 2.5, it.comm_inactivity_timeout
    end
  end

  def test_a_negative_inactivity_timeout_is_refused_or_means_off
    with_connection do |it|
      begin
        it.comm_inactivity_timeout = -5
      rescue ArgumentError
        nil
      end
      assert_equal 0.0, it.comm_inactivity_timeout
    end
  end

  def test_the_primitives_take_any_number
    with_connection do |it|
      assert EM.set_comm_inactivity_timeout(it.signature, 3)
      assert EM.set_pending_connect_timeout(it.signature, 4)
      assert_equal [3.0, 4.0],
                   [EM.get_comm_inactivity_timeout(it.signature), EM.get_pending_connect_timeout(it.signature)]
      assert_raises(TypeError) { EM.set_comm_inactivity_timeout(it.signature, "soon") }
      assert_raises(TypeError) { EM.set_pending_connect_timeout(it.signature, nil) }
    end
  end

  def test_a_server_has_no_inactivity_timeout
    reactor do
      signature = EM.start_server("127.0.0.1", 0)
      assert_equal false, EM.set_comm_inactivity_timeout(signature, 1.0)
      assert_equal 0.0, EM.get_comm_inactivity_timeout(signature)
      EM.stop
    end
  end

  def test_connecting_may_take_20_seconds_by_default
    assert_equal 20.0, with_connection(&:pending_connect_timeout)
  end

  def test_the_time_for_connecting_may_be_set_and_must_be_positive
    with_connection do |it|
      assert_equal true, it.set_pending_connect_timeout(1.5)
      assert_equal 1.5, it.pending_connect_timeout
      [0, -1, 0.0001].each { |wrong| assert_equal false, it.set_pending_connect_timeout(wrong) }
      assert_equal 1.5, it.pending_connect_timeout
      it.pending_connect_timeout = 2.5
      assert_equal 2.5, it.pending_connect_timeout
    end
  end

  def test_the_drain_timeout_is_30_seconds_and_may_be_set
    with_connection do |it|
      assert_equal 30.0, EM.get_drain_timeout(it.signature)
      assert_equal true, EM.set_drain_timeout(it.signature, 1.5)
      assert_equal 1.5, EM.get_drain_timeout(it.signature)
      assert_raises(ArgumentError) { EM.set_drain_timeout(it.signature, -1) }
      assert_raises(TypeError) { EM.set_drain_timeout(it.signature, "soon") }
      EM.set_drain_timeout(it.signature, 0)
      assert_equal 30.0, EM.get_drain_timeout(it.signature)
      assert_equal [false, 0.0], [EM.set_drain_timeout(0, 1), EM.get_drain_timeout(0)]
    end
  end

  def test_the_time_for_connecting_does_not_matter_once_connected
    connection = nil
    reactor do
      connection = client(server, connection_completed: ->(_) { EM.add_timer(0.15) { EM.stop } })
      connection.pending_connect_timeout = 0.05
    end
    assert_equal [%i[initialize post_init connection_completed unbind], nil], [connection.events, connection.reason]
  end
end
