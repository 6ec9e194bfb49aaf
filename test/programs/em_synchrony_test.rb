# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "programs_helper"
require_relative "support/nginx_responses"
require_relative "support/redis"

# em-synchrony, whose fibers are clients of nginx and redis.
class EMSynchronyTest < ProgramTest
  include NginxResponses
  include Redis

  def test_a_fiber_sleeps_and_waits_for_deferred_work
    assert_equal %w[true 42], ask("sleeping")
  end

  def test_requests_alone_and_together
    assert_equal ["GET ", '[[:a, "GET a"], [:b, "GET b"]]'], ask("http", url)
  end

  def test_a_request_that_fails
    assert_equal ["Errno::ECONNREFUSED"], ask("refused", "http://127.0.0.1:#{closed_port}")
  end

  def test_iterators_with_several_fibers
    assert_equal %w[true true], ask("iterators", url)
  end

  def test_redis
    assert_equal ["value"], ask("redis", start_redis.port)
  end

  def test_fibers_share_a_pool_of_connections
    assert_equal ["10"], ask("pool", start_redis.port)
  end

  def test_a_socket_with_a_blocking_interface
    assert_equal ['"+PONG\\r\\n"'], ask("socket", start_redis.port)
    assert_equal ["Errno::ECONNREFUSED"], ask("refused_socket", closed_port)
  end

  def test_a_mutex_of_fibers
    assert_equal ["[1, 2]"], ask("mutex")
  end

  private

  def url
    "http://127.0.0.1:#{start_nginx.port}/method"
  end

  def ask(wish, *arguments)
    lines_of("em_synchrony", wish, *arguments).grep_v(REDIS_WARNING)
  end
end
