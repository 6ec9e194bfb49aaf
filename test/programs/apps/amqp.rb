# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# usage: amqp.rb port queue
#
# Publishes a hundred messages to a queue of RabbitMQ's, gets them back with acknowledgements, and prints what it got; then asks
# for a queue that is not there, which closes the channel; then leaves.

require "amqp"

COUNT = 100
port, name = ARGV

def check_missing_queue(connection)
  AMQP::Channel.new(connection) do |channel|
    channel.on_error do |_, close|
      puts "channel closed: #{close.reply_code}"
      connection.close { EventMachine.stop }
    end
    channel.queue("missing-#{Process.pid}", passive: true)
  end
end

EventMachine.run do
  AMQP.connect(host: "127.0.0.1", port: Integer(port), user: "guest", password: "guest", vhost: "/") do |connection|
    puts "connected"
    AMQP::Channel.new(connection) do |channel|
      channel.prefetch(10)
      queue = channel.queue(name, auto_delete: true)
      got = []
      queue.subscribe(ack: true) do |metadata, payload|
        metadata.ack
        got << payload
        next if got.size < COUNT

        puts "got #{got.size} messages, #{got.sum(&:bytesize)} bytes, in order: #{got.map { |text| text[/\A\d+/].to_i } == (0...COUNT).to_a}"
        check_missing_queue(connection)
      end
      COUNT.times { |i| channel.default_exchange.publish("#{i}#{'x' * i * 1000}", routing_key: name) }
    end
  end
end
puts "left"
