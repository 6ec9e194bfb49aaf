# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "net/http"
require "programs_helper"
require_relative "support/websocket_cases"

# faye-websocket inside puma, whose sockets it attaches to our reactor, serves clients of python3-websockets.
class FayeWebSocketPumaTest < ProgramTest
  include WebSocketCases

  def test_no_connection_is_left_behind
    server = assert_said(["left"], "leave")
    wait_until { Net::HTTP.get(URI("http://127.0.0.1:#{server.port}/")) == "connections: 0" }
  end

  def test_puma_s_descriptors_are_closed
    server = start_server
    ask(server, "leave")
    before = descriptors_of(server)
    3.times { ask(server, "leave") }
    wait_until { descriptors_of(server) <= before }
  end

  private

  def descriptors_of(server)
    Dir.children("/proc/#{server.pid}/fd").size
  end

  def start_server
    start_program do |port, _|
      ruby_command("/usr/bin/puma", "--bind", "tcp://127.0.0.1:#{port}", "--threads", "1:16", "--environment", "production",
                   File.join(APPS, "faye_websocket_puma.ru"))
    end
  end
end
