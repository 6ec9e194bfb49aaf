# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "test_helper"

class TcpConnectTesterTest < ReactorTest
  def outcome_at(port)
    outcome = nil
    reactor do
      tester = EM::P::TcpConnectTester.test("127.0.0.1", port || server)
      tester.callback { |seconds| outcome = [:open, seconds] }
      tester.errback { |seconds| outcome = [:closed, seconds] }
      as_soon_as(-> { outcome }) { EM.stop }
    end
    outcome
  end

  def test_an_open_port_succeeds_with_the_seconds_it_took
    status, seconds = outcome_at(nil)
    assert_equal :open, status
    assert_kind_of Float, seconds
    assert_operator seconds, :>=, 0
  end

  def test_a_closed_port_fails_with_the_seconds_it_took
    status, seconds = outcome_at(dead_port)
    assert_equal :closed, status
    assert_kind_of Float, seconds
  end

  def test_a_malformed_address_is_refused_at_once
    reactor do
      assert_raises(EM::ConnectionError) { EM::P::TcpConnectTester.test("300.1.1.1", 80) }
      EM.stop
    end
  end
end
