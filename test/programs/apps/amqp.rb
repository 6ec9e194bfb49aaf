# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# usage: ruby amqp.rb CASE PORT
#
# One use of the amqp gem with RabbitMQ, whose outcome is printed.

require "amqp"

# The uses by name. Queues are exclusive to the connection and end with it.
module Cases
  module_function

  def numbers(connection)
    channel = AMQP::Channel.new(connection)
    queue = channel.queue("", exclusive: true)
    received = []
    queue.subscribe do |_, payload|
      finish(connection, received == (0...5000).to_a) if (received << Integer(payload)).size == 5000
    end
    queue.once_declared { 5000.times { |i| channel.default_exchange.publish(i.to_s, routing_key: queue.name) } }
  end

  def large(connection)
    data = (0..255).to_a.pack("C*") * 40_000
    channel = AMQP::Channel.new(connection)
    queue = channel.queue("", exclusive: true)
    queue.subscribe { |_, payload| finish(connection, "#{payload.bytesize} #{payload == data}") }
    queue.once_declared { channel.default_exchange.publish(data, routing_key: queue.name) }
  end

  def acknowledged(connection)
    channel = AMQP::Channel.new(connection, prefetch: 1)
    queue = channel.queue("", exclusive: true)
    received = []
    queue.subscribe(ack: true) do |header, payload|
      received << payload
      header.redelivered? || received.size > 1 ? header.ack : header.reject(requeue: true)
      finish(connection, received.inspect) if received.size == 3
    end
    queue.once_declared { %w[a b].each { |text| channel.default_exchange.publish(text, routing_key: queue.name) } }
  end

  def topics(connection)
    channel = AMQP::Channel.new(connection)
    exchange = channel.topic("em.test.topics", auto_delete: true)
    received = []
    queue = channel.queue("", exclusive: true).bind(exchange, routing_key: "animals.*") do
      %w[animals.cat plants.oak animals.dog].each { |key| exchange.publish("about #{key}", routing_key: key) }
    end
    queue.subscribe do |header, payload|
      finish(connection, received.inspect) if (received << [header.routing_key, payload]).size == 2
    end
  end

  def confirmed(connection)
    channel = AMQP::Channel.new(connection)
    channel.confirm_select
    acknowledged = 0
    channel.on_ack { |ack| finish(connection, "confirmed") if (acknowledged = ack.delivery_tag) == 100 }
    queue = channel.queue("", exclusive: true)
    queue.once_declared { 100.times { |i| channel.default_exchange.publish(i.to_s, routing_key: queue.name) } }
  end

  # An error of one channel: the queue does not exist.
  def channel_error(connection)
    channel = AMQP::Channel.new(connection)
    channel.on_error { |_, close| finish(connection, "#{close.reply_code} #{close.reply_text[/\A[A-Z_]+/]}") }
    channel.queue("em.test.none", passive: true)
  end

  # RabbitMQ expects a heartbeat every second, and closes the connection after two without.
  def heartbeat(connection)
    EM.add_timer(3) { finish(connection, connection.open?) }
  end

  def finish(connection, text)
    puts text
    connection.disconnect { EM.stop }
  end
end

name, port, password = ARGV
settings = { host: "127.0.0.1", port: Integer(port), password: password || "guest", heartbeat: name == "heartbeat" ? 1 : 0,
             on_possible_authentication_failure: ->(_) { puts("refused") || EM.stop },
             on_tcp_connection_failure: ->(_) { puts("nobody listens") || EM.stop } }

AMQP.start(settings) { |connection| Cases.public_send(name, connection) }
