# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "programs_helper"
require_relative "../support/rabbitmq"

# The amqp gem talks to RabbitMQ.
class AMQPTest < ProgramTest
  self.time_limit = 120 # the first test waits for RabbitMQ to start

  def test_5000_messages_keep_their_order
    assert_said "true", "numbers"
  end

  def test_a_message_of_many_frames
    assert_said "#{256 * 40_000} true", "large"
  end

  def test_a_rejected_message_is_delivered_again
    assert_said '["a", "a", "b"]', "acknowledged"
  end

  def test_topics
    assert_said '[["animals.cat", "about animals.cat"], ["animals.dog", "about animals.dog"]]', "topics"
  end

  def test_publishing_is_confirmed
    assert_said "confirmed", "confirmed"
  end

  def test_an_error_ends_its_channel_only
    assert_said "404 NOT_FOUND", "channel_error"
  end

  def test_heartbeats_keep_the_connection
    assert_said "true", "heartbeat"
  end

  def test_a_wrong_password_is_refused
    # The gem reports this twice, on any engine.
    assert_equal ["refused"], lines_of("amqp", "numbers", RabbitMQ.port, "wrong").uniq
  end

  def test_connecting_to_a_closed_port
    logged, said = lines_of("amqp", "numbers", closed_port)
    assert_match(/TCP connection failure: Errno::ECONNREFUSED/, logged)
    assert_equal "nobody listens", said
  end

  private

  def assert_said(line, wish, *arguments)
    assert_equal [line], lines_of("amqp", wish, RabbitMQ.port, *arguments)
  end
end
