# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "programs_helper"
require_relative "support/redis"

# em-redis talks to redis.
class EMRedisTest < ProgramTest
  include Redis

  def test_strings
    assert_said ["value", "nil", '"Grüße"', "6"], "strings"
  end

  def test_large_binary_values
    assert_said ["#{256 * 20_000} true"], "binary"
  end

  def test_lists
    assert_said %w[true 0], "lists"
  end

  def test_20_000_commands_at_once_are_answered_in_order
    assert_said ["true"], "pipelined"
  end

  def test_errors_of_redis_reach_the_errback
    assert_said ["error ERR value is not an integer or out of range", "no number"], "error"
  end

  def test_transactions
    assert_said ['[["a", "1"], ["b", "2"]]'], "transaction"
  end

  def test_it_reconnects_when_redis_closes_the_connection
    assert_said ["yes"], "reconnect"
  end

  def test_another_thread_uses_the_connection
    assert_said ["true"], "thread"
  end

  def test_a_password
    assert_equal ["value", "nil", '"Grüße"', "6"], ask("strings", start_redis("--requirepass", "secret"), "secret")
  end

  private

  def assert_said(lines, wish)
    assert_equal lines, ask(wish, start_redis)
  end

  def ask(wish, redis, *arguments)
    lines_of("em_redis", wish, redis.port, *arguments).grep_v(REDIS_WARNING)
  end
end
