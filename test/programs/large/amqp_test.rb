# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# The amqp gem, as Debian ships it, on our engine against RabbitMQ.

require "programs_helper"
require_relative "../support/rabbitmq"

class AmqpTest < ProgramTest
  self.time_limit = 120

  def test_messages_go_to_a_queue_and_come_back_acknowledged_and_errors_are_reported
    lines = lines_of("amqp", RabbitMQ.port, "amqp-test-#{Process.pid}")
    bytes = (0...100).sum { |i| i.to_s.size + (i * 1000) }
    assert_equal ["connected", "got 100 messages, #{bytes} bytes, in order: true", "channel closed: 404", "left"], lines
  end
end
