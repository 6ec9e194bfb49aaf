# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "test_helper"
require "support/http_peer"

# HttpClient: one request, one outcome.
class HttpClientTest < ReactorTest
  include HttpPeer

  FAILED = [[:errback, { status: 0 }]].freeze

  def test_a_response
    text = "HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\nX-A: b\r\n\r\nhello"
    result = { status: 404, headers: ["HTTP/1.1 404 Not Found", "Content-Length: 5", "X-A: b"], content: "hello" }
    assert_equal [[:callback, result]], outcome(answering(text))
  end

  def test_the_client_closes_the_connection_after_the_response
    reactor do
      fetch(answering(ok("x")))
      as_soon_as(-> { servers.first&.gone? }) { EM.stop }
    end
    assert_nil servers.first.reason
  end

  def test_a_response_byte_by_byte
    client = nil
    reactor do
      text = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
      client = fetch(http_server { text.each_char { |byte| client.receive_data(byte) } })
      client.callback { |response| (assert_equal "abc", response[:content]) && EM.stop }
    end
    assert_equal :succeeded, client.instance_variable_get(:@deferred_status)
  end

  def test_the_request_as_sent
    assert_sends "GET / HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nUser-agent: Ruby EventMachine\r\n\r\n"
    assert_sends "HEAD /x?a=b HTTP/1.0\r\nHost: h:PORT\r\nUser-agent: Ruby EventMachine\r\n\r\n",
                 method: :head, request: "x", query_string: "a=b", version: "1.0", host_header: "h", content: "no"
    assert_sends "DELETE /x? HTTP/1.1\r\nHost: h:1\r\nUser-agent: Ruby EventMachine\r\nCookie: a=b\r\nX-Y: 1\r\nZ: 2\r\n" \
                 "Authorization: Basic dTpww6Q=\r\n\r\n", verb: "DELETE", request: "/x", query_string: "?", host_header: "h:1", cookie: "a=b",
                 custom_headers: { "X-Y" => 1, Z: 2 }, basic_auth: { username: "u", password: "pä" }
    assert_sends "PUT / HTTP/1.1\r\nHost: [::1]:PORT\r\nUser-agent: Ruby EventMachine\r\nContent-type: application/octet-stream\r\n" \
                 "Content-length: 0\r\n\r\n", verb: "put", host_header: "::1"
  end

  def test_text_of_any_encoding_is_sent_as_its_bytes
    latin1 = "\xfc".dup.force_encoding(Encoding::ISO_8859_1)
    assert_sends "GET /\xC3\xA9?\xFC HTTP/1.1\r\nHost: \xFF:1\r\nUser-agent: Ruby EventMachine\r\nCookie: \xFC\r\n\r\n".b,
                 request: "/\u00e9", query_string: latin1, host_header: "\xff:1", cookie: latin1
    %i[request query_string host_header cookie].each do |key|
      reactor do
        assert_raises(ArgumentError) { fetch(80, key => "x".encode("UTF-16LE")) }
        EM.stop
      end
    end
  end

  def test_the_content_is_counted_in_bytes
    received = +""
    reactor do
      port = server(receive_data: ->(_, data) { EM.stop if (received << data).end_with?("\x82\xAC".b) })
      fetch(port, verb: :post, content: "grüße €", contenttype: "text/plain")
    end
    assert_includes received, "Content-type: text/plain\r\nContent-length: 11\r\n\r\ngr\xC3\xBC".b
  end

  def test_the_default_port_is_80_and_is_left_out_of_the_host_header
    args = { host: "127.0.0.1" }
    reactor do
      quietly { EM::P::HttpClient.request(args) }
      EM.stop
    end
    assert_equal 80, args[:port]
    assert_includes EM::P::HttpClientRequest.new(args, 0).text, "\r\nHost: 127.0.0.1\r\n"
  end

  def test_the_arguments_may_be_frozen
    reactor do
      client = quietly { EM::P::HttpClient.request({ host: "127.0.0.1", port: closed_port }.freeze) }
      client.errback { EM.stop }
    end
  end

  def test_connecting_to_a_closed_port
    assert_equal FAILED, outcome(closed_port)
  end

  def test_an_address_that_is_wrong_raises_at_once
    reactor do
      assert_raises(EM::ConnectionError) { quietly { EM::P::HttpClient.request(host: "nowhere.invalid") } }
      assert_raises(EM::ConnectionError) { fetch(65_536) }
      EM.stop
    end
  end

  def test_an_unsupported_verb_fails_sends_nothing_and_closes
    reactor do
      outcomes = outcome_of(fetch(http_server { flunk "something was sent" }, verb: "PATCH"))
      as_soon_as(-> { servers.first&.gone? }) { (assert_equal FAILED, outcomes) && EM.stop }
    end
  end

  def test_responses_that_are_not_http
    ["SSH-2.0-OpenSSH_9\r\n", "HTTP/2 200 OK\r\n", "HTTP/1.1 200 OK\r\nno header\r\n"].each { |text| assert_equal FAILED, outcome(answering(text)) }
  end

  def test_a_response_truncated_at_any_byte_fails_once
    ["HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"].each do |text|
      outcomes = []
      reactor do
        text.bytesize.times do |cut|
          outcome_of(fetch(answering(text.byteslice(0, cut), close: true)), outcomes) { EM.stop if outcomes.size == text.bytesize }
        end
      end
      assert_equal FAILED * text.bytesize, outcomes
    end
  end

  def test_without_length_the_content_ends_with_the_connection
    assert_equal "to the end", content_of(answering("HTTP/1.0 200 OK\r\n\r\nto the end", close: true))
    assert_equal "to the end", content_of(answering("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nto the end", close: true))
  end

  def test_without_length_a_reset_is_a_failure
    outcomes = nil
    reactor do
      listener = self.listener
      outcomes = outcome_of(client = fetch(listener.addr[1])) { EM.stop }
      socket = ours(listener.accept)
      socket.write("HTTP/1.1 200 OK\r\n\r\nhalf")
      as_soon_as(-> { client.instance_variable_get(:@parser) }) { reset(socket) }
    end
    assert_equal FAILED, outcomes
  end

  def test_without_length_closing_the_connection_locally_is_a_failure
    [->(client) { client.close_connection }, ->(client) { client.close_connection_after_writing }, ->(_) { EM.stop }].each do |close|
      outcomes = nil
      reactor do
        outcomes = outcome_of(client = fetch(answering("HTTP/1.1 200 OK\r\n\r\nhalf"))) { EM.stop }
        as_soon_as(-> { client.instance_variable_get(:@parser) }) { close.call(client) }
      end
      assert_equal FAILED, outcomes
    end
  end

  def test_responses_without_a_body_are_complete_at_once
    { head: "HTTP/1.1 200 OK\r\nContent-Length: 5", get: "HTTP/1.1 204 X\r\nContent-Length: 5",
      put: "HTTP/1.1 304 X\r\nTransfer-Encoding: chunked" }
      .each { |verb, text| assert_equal "", content_of(answering("#{text}\r\n\r\n"), verb: verb) }
  end

  def test_interim_responses_are_skipped
    assert_equal "hi", content_of(answering("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nA: b\r\n\r\n#{ok('hi')}"))
  end

  def test_redirects_are_left_to_the_user
    outcome = outcome(answering("HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n"))
    assert_equal 302, outcome.dig(0, 1, :status)
  end

  def test_the_first_outcome_is_final
    later = nil
    reactor do
      port = answering("#{ok('first')}HTTP/1.1 500 Second\r\nContent-Length: 0\r\n\r\n", close: true)
      client = fetch(port)
      as_soon_as(-> { servers.first&.gone? }) do
        client.receive_data("HTTP/1.1 500 Third\r\n\r\n")
        client.fail("fourth")
        client.set_deferred_failure("fifth")
        client.set_deferred_status(:failed, "sixth")
        later = outcome_of(client) { EM.stop }
      end
    end
    assert_equal [:callback, 200, "first"], [later.dig(0, 0), later.dig(0, 1, :status), later.dig(0, 1, :content)]
  end

  def test_a_timeout_fails_and_closes_the_connection
    reactor do
      outcomes = outcome_of(fetch(answering("HTTP/1.1 200 OK\r\n"), timeout: 0.02))
      as_soon_as(-> { servers.first&.gone? }) { (assert_equal FAILED, outcomes) && EM.stop }
    end
  end

  def test_the_timer_of_a_timeout_is_cancelled_with_the_outcome
    reactor do
      outcome_of(fetch(answering(ok("x")), timeout: 100)) { (assert_equal 0, EM.get_timer_count) && EM.stop }
    end
  end

  def test_limits_of_a_class_and_of_an_object
    assert_equal FAILED, outcome(answering(ok("12345")), Class.new(EM::P::HttpClient) { def max_content_bytes = 4 })
    [[:max_content_bytes, 4], [:max_header_lines, 0], [:max_header_bytes, 20]].each do |limit, value|
      reactor do
        client = fetch(answering(ok("12345")))
        client.public_send("#{limit}=", value)
        outcomes = outcome_of(client) { (assert_equal FAILED, outcomes, limit) && EM.stop }
      end
    end
  end

  def test_line_ends_in_any_argument_are_refused_and_nothing_is_opened
    ["a\r\nX: y", "a\rb", "a\nb", "a\0b"].each do |evil|
      [{ request: "/#{evil}" }, { query_string: evil }, { host_header: evil }, { cookie: evil }, { version: evil }, { verb: evil },
       { custom_headers: { "X" => evil } }, { custom_headers: { evil => "x" } }, { basic_auth: { username: evil, password: "" } },
       { basic_auth: { username: "", password: evil } }, { verb: :post, contenttype: evil }].each { |args| assert_refused(**args) }
    end
  end

  def test_other_arguments_that_are_refused_before_anything_is_opened
    [{ custom_headers: { "a b" => "x" } }, { custom_headers: { "" => "x" } }, { timeout: 0 }, { timeout: -1 }, { timeout: "soon" },
     { verb: :post, content: "x" * ((20 << 20) + 1) }, { tls: true }, { ssl: true }].each { |args| assert_refused(**args) }
  end

  def test_it_warns_that_it_is_deprecated
    reactor do
      assert_output("", /HttpClient is deprecated.*em-http-request/) do
        EM::P::HttpClient.request(host: "127.0.0.1", port: closed_port).errback { EM.stop }
      end
    end
  end

  def test_an_errback_or_callback_that_raises_leaves_no_connection
    reactor do
      EM.error_handler { |error| (assert_equal "mine", error.message) && as_soon_as(-> { servers.first.gone? }) { EM.stop } }
      fetch(answering(ok("x"))).callback { raise "mine" }
    end
  end

  private

  def outcome(port_or_script, klass = EM::P::HttpClient, **args)
    outcomes = nil
    reactor { outcomes = outcome_of(fetch(port_or_script, klass, **args)) { EM.stop } }
    outcomes
  end

  def content_of(port, **args)
    outcome(port, **args).dig(0, 1, :content)
  end

  # Ports exist only while a reactor runs.
  def answering(*arguments, **options)
    return super if EM.reactor_running?

    -> { super(*arguments, **options) }
  end

  def fetch(port, *arguments, **args)
    super(port.respond_to?(:call) ? port.call : port, *arguments, **args)
  end

  def assert_sends(expected, **args)
    reactor do
      port = http_server do |_, request|
        assert_equal expected.sub("PORT", port.to_s).b, request.b
        EM.stop
      end
      fetch(port, **args)
    end
  end

  def assert_refused(**args)
    reactor do
      assert_raises(ArgumentError, args.inspect[0, 80]) { fetch(1, **args) }
      assert_equal 0, EM.connection_count
      EM.stop
    end
  end
end
