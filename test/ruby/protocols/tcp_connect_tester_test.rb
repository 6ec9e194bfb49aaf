# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "test_helper"

class TcpConnectTesterTest < ReactorTest
  # @return [Array] the outcome and its arguments
  def outcomes_of(host, port)
    outcomes = []
    reactor do
      port = yield if block_given?
      tester = EM::P::TcpConnectTester.test(host, port)
      assert_kind_of EM::Deferrable, tester
      tester.callback { |*args| outcomes << [:ok, *args] }.errback { |*args| outcomes << [:error, *args] }
      as_soon_as(-> { outcomes.any? && EM.connection_count <= 1 }) { EM.stop }
    end
    outcomes
  end

  def test_a_port_where_something_listens_succeeds_with_the_time_it_took
    (outcome, time), *more = outcomes_of("127.0.0.1", nil) { server }
    assert_equal [:ok, Float, []], [outcome, time.class, more]
    assert_operator time, :>=, 0
  end

  def test_a_port_where_nothing_listens_fails_with_the_time_it_took
    (outcome, time), *more = outcomes_of("127.0.0.1", closed_port)
    assert_equal [:error, Float, []], [outcome, time.class, more]
  end

  def test_a_class_may_have_its_own_post_init
    outcome = nil
    tester = Class.new(EM::P::TcpConnectTester) { define_method(:post_init) { nil } }
    reactor { tester.test("127.0.0.1", closed_port).errback { |*args| (outcome = args) && EM.stop } }
    assert_equal [Float], outcome.map(&:class)
  end

  def test_a_callback_that_raises_leaves_no_connection
    errors = []
    EM.error_handler { |error| errors << error.message }
    reactor do
      port = server(unbind: ->(_, _) { EM.stop })
      EM::P::TcpConnectTester.test("127.0.0.1", port).callback { raise "mine" }
    end
    assert_equal ["mine"], errors
  ensure
    EM.error_handler(nil)
  end

  def test_the_connection_is_closed_at_once
    reasons = []
    reactor do
      port = server(unbind: ->(_, reason) { (reasons << reason) && EM.stop })
      EM::P::TcpConnectTester.test("127.0.0.1", port)
    end
    assert_equal [nil], reasons
  end

  def test_it_stays_a_success_when_the_connection_has_ended
    tester = nil
    reactor do
      port = server
      tester = EM::P::TcpConnectTester.test("127.0.0.1", port)
      tester.callback { as_soon_as(-> { tester.send_data("gone?") == -1 }) { EM.stop } }
    end
    times = []
    tester.errback { flunk }.callback { |time| times << time }
    assert_equal [Float], times.map(&:class)
  end
end
