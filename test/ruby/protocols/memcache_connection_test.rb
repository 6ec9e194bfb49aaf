# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# The client of memcached and its connection: established, lost, reconnected, given up.

require "test_helper"

class MemcacheConnectionTest < ReactorTest
  Memcache = EM::P::Memcache

  def test_it_succeeds_once_connected
    succeeded = false
    reactor do
      port = server
      cache = connect(port)
      cache.callback { succeeded = true and EM.stop }
      cache.errback { flunk }
    end
    assert succeeded
  end

  def test_a_failed_first_attempt_fails_the_deferrable_and_ends_the_commands
    events = []
    reactor do
      cache = connect(closed_port)
      cache.get("a") { |value| events << value }
      cache.set("a", 1) { |stored| events << stored }
      cache.errback { (events << :failed) && EM.stop }
    end
    assert_equal [nil, false, :failed], events
  end

  def test_a_block_that_raises_does_not_prevent_other_commands_from_ending
    answers = []
    EM.error_handler { |error| answers << error.message }
    reactor do
      cache = connect(closed_port)
      cache.get("a") { raise "mine" }
      cache.get("b") { |value| answers << value }
      cache.set("c", 1) { |stored| (answers << stored) && EM.stop }
    end
    assert_equal ["mine", nil, false], answers
  ensure
    EM.error_handler(nil)
  end

  def test_a_callback_that_raises_does_not_prevent_commands_from_being_sent
    answers = []
    EM.error_handler { |error| answers << error.message }
    reactor do
      port = server(receive_data: ->(c, data) { c.send_data("END\r\n" * data.count("\n")) })
      cache = connect(port)
      cache.callback { raise "mine" }
      cache.get("a") { |value| answers << value }
      cache.get("b") { |value| (answers << value) && EM.stop }
    end
    assert_equal ["mine", nil, nil], answers
  ensure
    EM.error_handler(nil)
  end

  def test_it_reconnects_and_starts_with_an_empty_buffer
    answers = []
    reactor do
      port = flaky_server("VALUE a 0 100\r\nhalf", "VALUE a 0 1\r\n2\r\nEND\r\n")
      cache = connect(port)
      cache.get("a") do |lost|
        answers << lost
        cache.get("a") { |value| (answers << value) && EM.stop }
      end
    end
    assert_equal [nil, "2"], answers
  end

  def test_it_tries_until_the_server_is_back
    attempts = 0
    answer = nil
    reactor do
      port = free_port
      signature = EM.start_server("127.0.0.1", port, Scripted, { receive_data: lambda { |c, _|
        EM.stop_server(signature)
        c.close_connection
      } })
      cache = connect(port)
      count = -> { attempts += 1 }
      cache.define_singleton_method(:unbind) { |reason = nil| count.call && super(reason) }
      cache.get("a") { cache.get("b") { |value| (answer = value) && EM.stop } }
      as_soon_as(-> { attempts == 4 }) { EM.start_server("127.0.0.1", port, Scripted, { receive_data: ->(c, _) { c.send_data("VALUE b 0 1\r\n2\r\nEND\r\n") } }) }
    end
    assert_equal "2", answer
    assert_operator attempts, :>=, 4
  end

  def test_it_reconnects_after_a_protocol_violation
    answers = []
    reactor do
      cache = connect(flaky_server("STORED\r\nEND\r\n", "END\r\n", close: false))
      cache.get("a") do |value|
        answers << value
        cache.get("b") { |*values| (answers << values) && EM.stop }
      end
    end
    assert_equal [nil, [nil]], answers
  end

  def test_closing_it_ends_pending_commands_and_prevents_reconnecting
    connections = 0
    answers = []
    reactor do
      port = server(post_init: ->(_) { connections += 1 })
      cache = connect(port)
      cache.callback do
        cache.get("a") { |value| answers << value }
        cache.close_connection_after_writing
        cache.set("a", 1) { |stored| answers << stored }
      end
      as_soon_as(-> { answers.size == 2 }) do
        cache.get("a") { |value| answers << value }
        EM.add_timer(0.05) { EM.stop }
      end
    end
    assert_equal [nil, false, nil], answers
    assert_equal 1, connections
  end

  def test_closing_it_while_it_waits_to_reconnect_ends_the_wait
    answers = []
    reactor do
      cache = connect(flaky_server("", ""), interval: 1000)
      cache.get("a") do
        cache.set("b", 1) { |stored| answers << stored }
        EM.next_tick do
          cache.close_connection
          EM.stop
        end
      end
    end
    assert_equal [false], answers
    assert_empty EM.instance_variable_get(:@timers)
  end

  def test_a_reactor_that_stops_leaves_no_timer_behind
    answers = []
    reactor do
      cache = connect(server)
      cache.callback do
        cache.get("a") { |value| answers << value }
        EM.stop
      end
    end
    assert_equal [nil], answers
    reactor do
      assert_empty EM.instance_variable_get(:@timers)
      EM.stop
    end
  end

  def test_blocks_that_raise_do_not_block_other_commands
    answers = []
    errors = 0
    reactor do
      EM.error_handler { errors += 1 }
      port = flaky_server("END\r\nEND\r\nEND\r\n", "", close: false)
      cache = connect(port)
      cache.get("a") { raise "first" }
      cache.get("b") { raise "second" }
      cache.get("c") do |value|
        answers << value
        cache.get("d") { raise "third" }
        cache.get("e") { |lost| (answers << lost) && EM.stop }
        cache.close_connection
      end
    end
    assert_equal [nil, nil], answers
    assert_equal 3, errors
  end

  # With a search through all keys for each value, the first order took 3 seconds and the second 7.
  def test_values_of_many_keys_in_any_order_take_linear_time
    keys = Array.new(10_000) { |i| "key#{i}" }
    [keys.reverse, [keys.last] * 50_000].each do |order|
      input = "#{order.map { |key| "VALUE #{key} 0 1\r\nx\r\n" }.join}END\r\n"
      at_best(1) do
        cache = unconnected
        cache.get(*keys) { |*values| assert_equal order.uniq.size, values.compact.size }
        seconds { cache.receive_data(input) }
      end
    end
  end

  private

  # @return [Object] a client that behaves as if it were connected
  def unconnected
    client = Class.new do
      include Memcache
      define_method(:initialize) { nil }
      define_method(:send_data) { |_data| nil }
    end
    client.new.tap(&:connection_completed)
  end

  # Reconnects without the pause of a second between two attempts, which the tests would have to wait for.
  def connect(port, interval: 0.01)
    Memcache.connect("127.0.0.1", port).tap { |cache| cache.reconnect_interval = interval }
  end

  # Replies once on its first connection and closes it; replies to all input on later ones.
  def flaky_server(first, later, close: true)
    connections = 0
    server(receive_data: lambda { |c, _|
      first_one = (connections += 1) == 1
      c.send_data(first_one ? first : later)
      c.close_connection_after_writing if first_one && close
    })
  end
end
