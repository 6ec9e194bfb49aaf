# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "programs_helper"
require "json"
require "net/http"

# faye inside thin distributes what its clients publish; server and clients run on our engine.
class FayeTest < ProgramTest
  RECEIVED = ["20 subscribers: #{[(0..9).to_a].inspect}"].freeze

  def test_subscribers_get_what_is_published_over_websockets
    assert_equal RECEIVED, lines_of("faye_clients", url(start_server))
  end

  def test_subscribers_get_what_is_published_over_long_polling
    assert_equal RECEIVED, lines_of("faye_clients", url(start_server), "websocket")
  end

  def test_a_message_is_published_by_plain_http
    server = start_server
    assert_on_our_engine(server.pid)
    message = { channel: "/greetings", data: "hello" }.to_json
    answer = Net::HTTP.post(URI(url(server)), message, "Content-Type" => "application/json")
    assert_equal [{ "channel" => "/greetings", "successful" => true }], JSON.parse(answer.body)
  end

  private

  def url(server)
    "http://127.0.0.1:#{server.port}/faye"
  end

  def start_server
    start_program(ended_by: :KILL) do |port, _|
      ruby_command("/usr/bin/thin", "--rackup", File.join(APPS, "faye.ru"), "--address", "127.0.0.1", "--port", port.to_s,
                   "--max-persistent-conns", "1000", "--environment", "production", "start")
    end
  end
end
