# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# Postgres3 with a reactor: timeouts, the end of connections, and requests to cancel.

require "test_helper"

class Postgres3ReactorTest < ReactorTest
  Client = EM::P::Postgres3
  LOGIN = "R\0\0\0\x08\0\0\0\0K\0\0\0\x0c\0\0\0\x07abcdZ\0\0\0\x05I".b

  def test_a_silent_server_is_given_up_and_the_connection_is_closed
    ended = false
    reactor do
      port = server(unbind: ->(*) { (ended = true) && EM.stop })
      db = EM.connect("127.0.0.1", port, Client)
      db.operation_timeout = 0.02
      db.connect("shop", "anna").errback { |*arguments| @outcome = arguments }
    end
    assert_equal [[], true], [@outcome, ended]
  end

  def test_a_reply_after_the_timeout_is_dropped
    reactor do
      late = nil
      port = server(receive_data: lambda { |it, data|
        data.start_with?("Q") ? late = it : it.send_data(LOGIN)
      })
      db = EM.connect("127.0.0.1", port, Client)
      db.connect("shop", "anna").callback do
        db.query("select 1").timeout(0.02).errback do
          late&.send_data("Z\0\0\0\x05I")
          db.query("select 2").callback { |*outcome| (@outcome = outcome) && EM.stop }
        end
      end
    end
    assert_equal [false, "lost connection", []], @outcome
  end

  def test_connecting_to_a_closed_port
    reactor do
      EM.connect("127.0.0.1", closed_port, Client).connect("shop", "anna").callback { |*outcome| (@outcome = outcome) && EM.stop }
    end
    assert_equal [false, "lost connection"], @outcome
  end

  def test_an_outcome_cancels_the_timeout
    reactor do
      db = EM.connect("127.0.0.1", logging_in, Client)
      db.operation_timeout = 0.02
      db.connect("shop", "anna").callback { EM.add_timer(0.05) { (@error = db.error?) || EM.stop } }
    end
    assert_equal false, @error
  end

  def test_a_lost_connection_can_be_reconnected
    outcomes = []
    reactor do
      port = logging_in
      db = EM.connect("127.0.0.1", port, Client)
      db.define_singleton_method(:unbind) do |reason = nil|
        super(reason)
        next EM.stop if outcomes.size > 1

        reconnect("127.0.0.1", port)
        connect("shop", "anna").callback { |*outcome| (outcomes << outcome) && close_connection }
      end
      db.connect("shop", "anna").callback { |*outcome| (outcomes << outcome) && db.close_connection }
    end
    assert_equal [[true], [true]], outcomes
  end

  def test_cancel_uses_a_separate_connection
    requests = []
    reactor do
      port = server(receive_data: lambda { |it, data|
        next it.send_data(LOGIN) if data.include?("user")

        requests << data
        it.close_connection
      })
      db = EM.connect("127.0.0.1", port, Client)
      db.connect("shop", "anna").callback { db.cancel.callback { EM.stop } }
    end
    assert_equal ["\0\0\0\x10\x04\xd2\x16\x2e\0\0\0\x07abcd".b], requests
  end

  def test_cancel_fails_if_no_server_accepts_it
    reactor do
      EM.connect("127.0.0.1", closed_port, Client).cancel.errback { |reason| @early = reason }
      port = server(receive_data: ->(it, _) { it.send_data(LOGIN) })
      db = EM.connect("127.0.0.1", port, Client)
      db.connect("shop", "anna").callback do
        db.cancel.errback { |reason| (@chatty = reason) && EM.stop }
      end
    end
    assert_equal ["lost connection"] * 2, [@early, @chatty]
  end

  def test_an_exception_in_a_callback_leaves_the_reactor_and_the_connection_continues
    error = Class.new(StandardError)
    heard = []
    reactor do
      EM.error_handler { |e| heard << e.class }
      db = EM.connect("127.0.0.1", logging_in, Client)
      db.connect("shop", "anna").callback do
        db.query("x").callback { |*outcome| (heard << outcome.first) && EM.stop }
        raise error
      end
      EM.next_tick { EM.add_timer(0.02) { db.close_connection } }
    end
    assert_equal [error, false], heard
  end

  private

  def logging_in
    server(receive_data: ->(it, data) { it.send_data(LOGIN) if data.include?("user") })
  end
end
