# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# thin, as Debian ships it, serves a Rack application on our engine.

require "programs_helper"
require_relative "support/keep_alive_client"

class ThinTest < ProgramTest
  CONNECTIONS = 500

  def test_it_runs_on_our_engine
    thin = start_thin
    assert_equal [200, "hello, world"], http(thin.port).get("/hello").to_a.values_at(0, 2)
    assert_on_our_engine(thin.pid)
  end

  def test_connections_are_kept_alive
    client = http(start_thin.port)
    answers = Array.new(100) { client.get("/hello") }
    assert_equal ["hello, world"], answers.map(&:body).uniq
    assert(answers.all?(&:persistent?))
  end

  def test_500_connections_are_served_without_an_error
    port = start_thin.port
    clients = Array.new(CONNECTIONS) { http(port) }
    3.times do
      clients.each { |client| client.request("/hello") }
      assert_equal ["hello, world"], clients.map { |client| client.answer.body }.uniq
    end
  end

  def test_500_connections_that_send_all_their_requests_at_once
    thin = start_thin
    output = IO.popen(["wrk", "-t1", "-c#{CONNECTIONS}", "-d1s", "--timeout", "60s", "http://127.0.0.1:#{thin.port}/hello"], &:read)
    assert_match(/requests in/, output)
    refute_match(/Socket errors|Non-2xx/, output)
  end

  # thin does this on any engine: it takes one request from each piece that arrives and drops the rest.
  def test_of_pipelined_requests_in_one_piece_the_first_is_answered_and_the_connection_goes_on
    socket = peer(start_thin.port)
    socket.write(KeepAliveClient.request("/hello") * 3)
    client = KeepAliveClient.new(socket)
    assert_equal "hello, world", client.answer.body
    assert_match(/\A\d+\z/, client.get("/pid").body)
  end

  def test_a_request_may_arrive_byte_by_byte
    socket = peer(start_thin.port)
    socket.setsockopt(:TCP, :NODELAY, true)
    KeepAliveClient.request("/hello").each_char { |byte| socket.write(byte) }
    assert_equal "hello, world", KeepAliveClient.new(socket).answer.body
  end

  def test_large_bodies_in_both_directions
    client = http(start_thin.port)
    body = Random.new(1).bytes(3 << 20)
    assert_equal "#{body.bytesize} #{body.sum}", client.post("/sum", body).body
    assert_equal 20 << 20, client.get("/large?#{20 << 20}").body.bytesize
  end

  def test_chunked_responses
    answer = http(start_thin.port).get("/chunked")
    assert_equal ["chunked", "onetwothree"], [answer.headers["transfer-encoding"], answer.body]
  end

  def test_a_timer_may_finish_a_response_later
    port = start_thin.port
    later = http(port)
    later.request("/later?0.2")
    assert_equal "hello, world", http(port).get("/hello").body
    assert_equal "begun done", later.answer.body
  end

  def test_an_exception_in_the_application_is_answered_by_500
    client = http(start_thin.port)
    assert_equal 500, client.get("/raise").status
    assert_equal 200, client.get("/hello").status
  end

  def test_anything_but_http_is_answered_by_400
    socket = peer(start_thin.port)
    socket.write("no http at all\r\n\r\n")
    assert_equal 400, KeepAliveClient.new(socket).answer.status
  end

  def test_the_application_gets_the_clients_address
    assert_equal "127.0.0.1", http(start_thin.port).get("/address").body
  end

  def test_silent_connections_are_closed_after_thins_timeout
    socket = peer(start_thin("--timeout", "1").port)
    assert_equal "", socket.read
  end

  def test_requests_in_threads
    port = start_thin("--threaded").port
    clients = Array.new(20) { http(port) }
    clients.each { |client| client.request("/hello") }
    assert_equal ["hello, world"], clients.map { |client| client.answer.body }.uniq
  end

  def test_a_unix_domain_socket
    socket = socket_path("thin.sock")
    thin = start_program(port: nil) { thin_command("--socket", socket, "start") }
    wait_until { serves?(socket) || thin.ended? }
    client = KeepAliveClient.new(ours(UNIXSocket.new(socket)))
    assert_equal ["hello, world"] * 3, Array.new(3) { client.get("/hello").body }
    assert_on_our_engine(thin.pid)
    thin.signal(:TERM)
    assert_predicate thin.wait, :success?, thin.log
    refute_path_exists socket
  end

  def test_on_sigquit_it_finishes_current_requests
    thin = start_thin
    idle = peer(thin.port)
    KeepAliveClient.new(idle).get("/hello")
    busy = http(thin.port)
    busy.request("/later?1.5")
    thin.signal(:QUIT)
    assert_equal ["", "begun done"], [idle.read, busy.answer.body]
    assert_predicate thin.wait, :success?, thin.log
  end

  private

  # It checks for signals only once a second.
  def start_thin(*options)
    start_program(ended_by: :KILL) { |port, _| thin_command("--port", port.to_s, "--address", "127.0.0.1", *options, "start") }
  end

  def thin_command(*options)
    ruby_command("/usr/bin/thin", "--rackup", File.join(APPS, "thin.ru"), "--max-persistent-conns", "1000", *options)
  end

  def http(port)
    KeepAliveClient.new(peer(port))
  end

  def serves?(path)
    UNIXSocket.new(path).close
    true
  rescue SystemCallError
    false
  end
end
