# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "programs_helper"
require_relative "support/websocket_cases"

# faye-websocket inside thin serves clients of python3-websockets, and is a client of a server of theirs.
class FayeWebSocketTest < ProgramTest
  include WebSocketCases

  def test_a_stream_of_events
    socket = peer(start_server.port)
    socket.write("GET /events HTTP/1.1\r\nHost: test\r\nAccept: text/event-stream\r\n\r\n")
    assert_equal 200, socket.gets.split[1].to_i
    events = socket.each_line.lazy.filter_map { |line| line[/^data: (.*?)\r?$/, 1] }
    assert_equal ["number 0", "number 1", "number 2"], events.first(3)
  end

  def test_the_client_talks_to_a_server_in_python
    server = start_program { |port, _| ["/usr/bin/python3", File.join(APPS, "websocket_server.py"), port.to_s] }
    lines = lines_of("faye_websocket_client", "ws://127.0.0.1:#{server.port}/chat")
    assert_equal ["open", "hello", "binary 3000000 true", "closed 3001 as asked"], lines
  end

  def test_the_client_reports_a_refused_connection
    lines = lines_of("faye_websocket_client", "ws://127.0.0.1:#{closed_port}/chat")
    assert_equal "closed 1006", lines.last.strip
  end

  private

  def start_server
    start_program(ended_by: :KILL) do |port, _|
      ruby_command("/usr/bin/thin", "--rackup", File.join(APPS, "faye_websocket.ru"), "--address", "127.0.0.1",
                   "--port", port.to_s, "start")
    end
  end
end
