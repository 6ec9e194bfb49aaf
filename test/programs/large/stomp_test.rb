# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# Stomp with RabbitMQ's STOMP plugin.

require "programs_helper"
require_relative "../support/rabbitmq"

class StompProgramTest < ProgramTest
  # The first one waits for the server to start.
  self.time_limit = 120

  # Calls a block with the connection and each message after CONNECTED.
  module Client
    include EM::P::Stomp

    attr_reader :errors

    def initialize(login, script)
      @login = login
      @script = script
      @errors = []
    end

    def connection_completed
      connect(@login)
    end

    def receive_msg(message)
      @script.call(self, message)
    end

    def receive_error(text)
      @errors << text
    end

    def unbind(reason = nil)
      super
      EM.stop
    end
  end

  GUEST = { login: "guest", passcode: "guest" }.freeze

  BODIES = ["", "plain", "two\nlines\n", "é", "a\0b\0".b, Random.new(1).bytes(1 << 20), "\n\n\0\n".b].freeze

  def test_bodies_of_bytes_come_back_in_order
    received = []
    talk_to_rabbitmq do |client, message|
      case message.command
      when "CONNECTED"
        client.subscribe("/queue/bodies")
        BODIES.each { |body| client.send("/queue/bodies", body) }
      when "MESSAGE"
        received << message.body
        client.disconnect if received.size == BODIES.size
      end
    end
    assert_equal BODIES.map(&:b), received
  end

  # RabbitMQ escapes colons even for STOMP 1.0, which has no escapes. Headers are returned as sent.
  def test_headers_are_sent_unchanged_and_received_as_the_server_sends_them
    header = nil
    talk_to_rabbitmq do |client, message|
      case message.command
      when "CONNECTED"
        assert_equal "1.0", message.header["version"]
        client.subscribe("/queue/headers")
        client.send("/queue/headers", "x", "url" => "http://example.org", "content-type" => "text/html")
      when "MESSAGE"
        header = message.headers
        client.disconnect
      end
    end
    assert_equal ["http\\c//example.org", "text/html", "/queue/headers", "1"], header.values_at("url", "content-type", "destination", "content-length")
  end

  def test_unacknowledged_messages_are_delivered_again
    bodies = []
    talk_to_rabbitmq do |client, message|
      case message.command
      when "CONNECTED"
        client.subscribe("/queue/acks", true)
        3.times { |i| client.send("/queue/acks", i) }
      when "MESSAGE"
        bodies << message.body
        client.ack(message.header["message-id"]) if message.body == "0"
        client.disconnect if message.body == "2"
      end
    end
    talk_to_rabbitmq do |client, message|
      client.subscribe("/queue/acks") if message.command == "CONNECTED"
      bodies << message.body if message.command == "MESSAGE"
      client.disconnect if message.body == "2"
    end
    assert_equal %w[0 1 2 1 2], bodies
  end

  def test_transactions_and_unsubscribing
    bodies = []
    talk_to_rabbitmq do |client, message|
      case message.command
      when "CONNECTED" then send_in_transactions(client)
      when "MESSAGE"
        bodies << message.body
        client.unsubscribe("/queue/transactions")
        client.send("/queue/transactions", "left", receipt: "r")
      when "RECEIPT" then client.disconnect
      end
    end
    assert_equal ["committed"], bodies
  end

  def test_errors_are_messages
    messages = []
    talk_to_rabbitmq({ login: "guest", passcode: "wrong" }) do |client, message|
      messages << message
      client.close_connection
    end
    assert_equal ["ERROR"], messages.map(&:command)
    assert_equal "Bad CONNECT", messages.first.header["message"]
  end

  def test_a_thousand_messages
    count = 0
    talk_to_rabbitmq do |client, message|
      if message.command == "CONNECTED"
        client.subscribe("/queue/thousand")
        1000.times { |i| client.send("/queue/thousand", i) }
      else
        assert_equal count.to_s, message.body
        client.disconnect if (count += 1) == 1000
      end
    end
    assert_equal 1000, count
  end

  private

  def send_in_transactions(client)
    client.subscribe("/queue/transactions")
    client.begin("t1")
    client.send("/queue/transactions", "aborted", transaction: "t1")
    client.abort("t1")
    client.begin("t2")
    client.send("/queue/transactions", "committed", transaction: "t2")
    client.commit("t2")
  end

  def talk_to_rabbitmq(login = GUEST, &script)
    port = RabbitMQ.stomp_port
    client = nil
    reactor { client = EM.connect("127.0.0.1", port, Client, login, script) }
    assert_empty client.errors
  end
end
