# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# Tests every WebSocket server with python3-websockets. The test class defines `start_server`, which returns the server.

require "open3"

module WebSocketCases
  CLIENT = File.join(ProgramTest::APPS, "websocket_client.py")

  def test_it_runs_on_our_engine
    assert_on_our_engine(start_server.pid)
  end

  def test_texts_are_echoed
    assert_said ["True"] * 4, "texts"
  end

  def test_binary_messages_of_all_lengths_are_echoed
    assert_said ["True"] * 6, "binary"
  end

  def test_a_message_in_fragments_is_one_message
    assert_said ["one two three"], "fragments"
  end

  def test_many_messages_at_once_keep_their_order
    assert_said ["True"], "many"
  end

  def test_a_ping_is_answered
    assert_said ["pong"], "ping"
  end

  def test_the_server_closes_with_its_code_and_reason
    assert_said ["3001 as asked"], "close"
  end

  def test_the_client_leaves
    server = assert_said(["left"], "leave")
    wait_until { server.log.include?("closed 1000") }
  end

  def test_an_abrupt_disconnect_is_noticed
    server = assert_said(["dropped"], "drop")
    wait_until { server.log.include?("closed 1006") }
  end

  def test_a_forbidden_frame_is_a_protocol_error
    assert_said ["1002"], "forbidden"
  end

  def test_200_clients
    assert_equal ["True"], ask(start_server, "many_clients")
  end

  private

  # @return [StartedProgram] the server
  def assert_said(lines, wish)
    server = start_server
    assert_equal ["open /chat", *lines], ask(server, wish), server.log
    server
  end

  # @return [Array<String>] the client's output
  def ask(server, wish)
    output, status = Open3.capture2e("timeout", "30", "/usr/bin/python3", CLIENT, "ws://127.0.0.1:#{server.port}/chat", wish)
    assert_predicate status, :success?, output + server.log
    output.lines(chomp: true)
  end
end
