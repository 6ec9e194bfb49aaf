# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "test_helper"
require "minitest/mock"
require "support/http_peer"

# HttpClient2: requests on one connection, each of which gets its own response.
class HttpClient2Test < ReactorTest
  include HttpPeer

  def test_a_response
    request = requested(answering("HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\nX-A: b\r\nx-a: c\r\n\r\nhi"))
    assert_equal [404, "1.1", "hi", nil], [request.status, request.version, request.content, request.internal_error]
    assert_equal({ "content-length" => ["2"], "x-a" => %w[b c] }, request.headers)
    assert_equal ["HTTP/1.1 404 Not Found", "Content-Length: 2", "X-A: b", "x-a: c"], request.header_lines
  end

  def test_callbacks_get_the_request_and_errbacks_nothing
    reactor do
      good = connect(answering(ok("x"))).get("/")
      bad = connect(closed_port).get("/")
      outcomes = [outcome_of(good), outcome_of(bad)]
      as_soon_as(-> { outcomes.none?(&:empty?) }) { (assert_equal [[[:callback, good]], [[:errback]]], outcomes) && EM.stop }
    end
  end

  def test_without_a_response_all_readers_return_nil
    request = requested(-> { closed_port })
    assert_equal [nil] * 6, %i[status version headers header_lines content internal_error].map { |name| request.public_send(name) }
  end

  def test_the_request_as_sent
    assert_sends "GET /x?y HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\n\r\n", "/x?y"
    assert_sends "GET  HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\n\r\n", { url: "/wrong key" }
    assert_sends "GET * HTTP/1.0\r\nHost: h\r\nAuthorization: Basic abc\r\n\r\n",
                 { uri: "*", version: 1.0, host_header: "h", authorization: "Basic abc" }
    assert_sends "POST /x HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\n\r\n", "/x", :post
    assert_sends "HEAD /x HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\n\r\n", { uri: "/x", verb: :head }, :request
  end

  def test_content_is_counted_in_bytes
    received = +""
    reactor do
      port = server(receive_data: ->(_, data) { EM.stop if (received << data).end_with?("\xA4".b) })
      connect(port).post(uri: "/", content: "ä", contenttype: "text/plain")
    end
    assert_match(%r{\APOST / HTTP/1.1\r\nHost: [\d.:]+\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\n\xC3\xA4\z}n, received.b)
  end

  def test_the_host_header_leaves_out_the_default_port_only
    text = EM::P::HttpRequestText
    assert_equal "h", text.authority("h", 80, 80)
    assert_equal "h:443", text.authority("h", 443, 80)
    assert_equal "h", text.authority("h", 443, 443)
    assert_equal "[::1]:8080", text.authority("::1", 8080, 80)
    assert_equal "[fe80::1]", text.authority("fe80::1%eth0", 80, 80)
    assert_equal "[::1]:81", text.authority("[::1]", 81, 80)
  end

  def test_the_verb_is_noted_in_the_arguments_unless_they_are_frozen
    reactor do
      client = connect(answering(""))
      client.post(args = { uri: "/" })
      client.get({ uri: "/" }.freeze)
      assert_equal({ uri: "/", verb: "POST" }, args)
      EM.stop
    end
  end

  def test_a_thousand_pipelined_requests_get_their_own_responses_in_order
    order = []
    reactor do
      client = connect(http_server { |server, request| server.send_data(ok(request[%r{/\d+}])) })
      1000.times do |i|
        client.get("/#{i}").callback do |request|
          assert_equal "/#{i}", request.content
          EM.stop if (order << i).size == 1000
        end
      end
    end
    assert_equal 1000.times.to_a, order
  end

  def test_requests_of_all_kinds_get_their_own_responses
    contents = []
    reactor do
      client = connect(http_server { |server, request| server.send_data(mixed(request)) })
      %w[/a /chunked /nothing /interim /b].each { |uri| client.get(uri).callback { |request| contents << request.content } }
      client.request(uri: "/c", verb: "HEAD").callback { |request| contents << request.content }
      client.get("/d").callback { |request| (contents << request.content) && EM.stop }
    end
    assert_equal ["/a", "abc", "", "/interim", "/b", "", "/d"], contents
  end

  def test_a_request_may_be_sent_in_a_callback
    reactor do
      client = connect(http_server { |server, request| server.send_data(ok(request[%r{/\w+}])) })
      client.get("/one").callback { client.get("/two").callback { |request| (assert_equal "/two", request.content) && EM.stop } }
    end
  end

  def test_when_the_server_closes_unanswered_requests_fail_once_newest_first
    outcomes = []
    reactor do
      client = connect(http_server { |server, _| server.requests.size > 2 ? server.close_connection_after_writing : server.send_data(ok("x")) })
      requests = Array.new(5) { |i| client.get("/#{i}") }
      requests.each_with_index do |request, i|
        request.callback { outcomes << [:ok, i] }
        request.errback { EM.next_tick { EM.stop } if (outcomes << [:failed, i]).size == 5 }
      end
    end
    assert_equal [[:ok, 0], [:ok, 1], [:failed, 4], [:failed, 3], [:failed, 2]], outcomes
    assert_equal [5], servers.map { |server| server.requests.size }
  end

  def test_a_request_made_after_the_end_fails_at_once
    reactor do
      client = connect(closed_port)
      client.get("/").errback do
        assert_equal [[:errback]], outcome_of(client.get("/"))
        EM.stop
      end
    end
  end

  def test_a_response_truncated_at_any_byte_fails_the_request
    ["HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"].each do |text|
      outcomes = []
      reactor do
        text.bytesize.times do |cut|
          request = connect(answering(text.byteslice(0, cut), close: true)).get("/")
          outcome_of(request, outcomes) { EM.stop if outcomes.size == text.bytesize }
        end
      end
      assert_equal [[:errback]] * text.bytesize, outcomes
    end
  end

  def test_the_kinds_of_errors
    { "FOO\r\n" => :bad_request, ("\r\n" * 11) => :bad_request, "HTTP/1.1 101 X\r\n\r\n" => :bad_request,
      "HTTP/1.1 200 OK\r\nno colon\r\n" => :bad_header, "HTTP/1.1 200 OK\r\n#{"A: b\r\n" * 101}" => :bad_header,
      "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n" => :unsupported_clen,
      "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n" => :unsupported_clen,
      "HTTP/1.1 200 OK\r\nContent-Length: #{(32 << 20) + 1}\r\n\r\n" => :body_too_large }.each do |text, kind|
      request = requested(-> { answering(text) })
      assert_equal [kind, nil], [request.internal_error, request.status], text[0, 50]
    end
  end

  def test_after_an_error_nothing_that_follows_is_read_and_the_connection_is_closed
    reactor do
      client = connect(answering("FOO\r\n#{ok('x')}#{ok('y')}"))
      outcomes = Array.new(2) { outcome_of(client.get("/")) }
      as_soon_as(-> { servers.first&.gone? }) { (assert_equal [[[:errback]], [[:errback]]], outcomes) && EM.stop }
    end
  end

  def test_without_length_the_content_ends_with_the_connection_and_later_requests_fail
    outcomes = first = nil
    reactor do
      client = connect(answering("HTTP/1.1 200 OK\r\n\r\nto the end", close: true))
      first = client.get("/")
      outcomes = outcome_of(first)
      outcome_of(client.get("/"), outcomes) { EM.stop }
    end
    assert_equal [[:callback, first], [:errback]], outcomes
    assert_equal "to the end", first.content
  end

  def test_closing_the_connection_locally_does_not_complete_a_body
    [->(client) { client.close_connection }, ->(_) { EM.stop }].each do |close|
      outcomes = nil
      reactor do
        client = connect(answering("HTTP/1.1 200 OK\r\n\r\nhalf"))
        outcomes = outcome_of(client.get("/")) { EM.stop }
        as_soon_as(-> { client.instance_variable_get(:@parser) }) { close.call(client) }
      end
      assert_equal [[:errback]], outcomes
    end
  end

  def test_connection_close_makes_a_response_the_last_one
    reactor do
      client = connect(answering("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx#{ok('not for the second')}"))
      outcomes = [[], []]
      client.get("/").callback { outcome_of(client.get("/late"), outcomes[0]) }
      outcome_of(client.get("/2"), outcomes[1])
      as_soon_as(-> { servers.first.gone? && outcomes.flatten.size == 2 }) { (assert_equal [[[:errback]], [[:errback]]], outcomes) && EM.stop }
    end
    assert_equal 2, servers.first.requests.size
  end

  def test_unrequested_data_closes_the_connection_and_is_no_later_response
    reactor do
      client = connect(answering(ok("x") + ok("for the next?")))
      outcomes = []
      client.get("/").callback { outcome_of(client.get("/next"), outcomes) }
      as_soon_as(-> { servers.first&.gone? }) { (assert_equal [[:errback]], outcomes) && EM.stop }
    end
    assert_equal 1, servers.first.requests.size
  end

  def test_data_before_any_request_closes_the_connection
    reactor do
      client = connect(server(post_init: ->(server) { server.send_data("HTTP/1.1 200 OK\r\n") }, unbind: ->(*) { EM.stop }))
      as_soon_as(-> { client.error? == true }) { outcome_of(client.get("/")) { EM.stop } }
    end
  end

  def test_an_empty_line_after_a_response_is_tolerated
    reactor do
      client = connect(http_server { |server, _| server.send_data("#{ok('x')}\r\n") })
      client.get("/").callback { client.get("/").callback { EM.stop } }
    end
  end

  def test_a_timeout_fails_the_request_and_closes_the_connection
    [[{}, { timeout: 0.02 }], [{ timeout: 0.02 }, {}]].each do |of_connection, of_request|
      servers.clear
      reactor do
        client = connect(answering(ok("x")), **of_connection)
        outcomes = Array.new(3) { |i| outcome_of(client.get({ uri: "/#{i}" }.merge(i == 1 ? of_request : {}))) }
        as_soon_as(-> { servers.first&.gone? && outcomes.none?(&:empty?) }) do
          assert_equal [:callback, :errback, :errback], outcomes.map { |all| all.dig(0, 0) }
          EM.stop
        end
      end
    end
  end

  def test_giving_up_a_request_closes_its_connection
    [:fail, :set_deferred_failure].each do |give_up|
      reactor do
        client = connect(http_server { |server, _| EM.next_tick { server.send_data(ok("late")) } })
        first = client.get("/1")
        second = outcome_of(client.get("/2")) { (assert_equal [[:errback]], second) && EM.stop }
        first.public_send(give_up)
      end
    end
  end

  def test_a_request_after_a_reconnect_that_was_refused_at_once_fails_at_once
    reactor do
      client = connect(closed_port)
      client.get("/").errback do
        assert_raises(EM::ConnectionError) { client.reconnect("name.invalid", 80) }
        outcome = outcome_of(client.get("/")) { EM.stop }
        assert_equal [[:errback]], outcome
      end
    end
  end

  def test_the_timer_of_a_timeout_is_cancelled_with_the_outcome
    reactor do
      outcome_of(connect(answering(ok("x")), timeout: 100).get("/")) { (assert_equal 0, EM.get_timer_count) && EM.stop }
    end
  end

  def test_a_callback_that_raises_does_not_block_later_responses
    contents = []
    errors = []
    reactor do
      EM.error_handler { |error| errors << error.message }
      client = connect(answering(ok("a") + ok("b") + ok("c")))
      client.get("/").callback { raise "first" }
      client.get("/").callback { |request| (contents << request.content) && raise("second") }
      client.get("/").callback { |request| (contents << request.content) && EM.next_tick { EM.stop } }
    end
    assert_equal [%w[b c], %w[first second]], [contents, errors]
  end

  def test_an_errback_that_raises_does_not_prevent_other_errbacks
    errors = []
    called = []
    reactor do
      EM.error_handler { |error| errors << error.message }
      client = connect(closed_port)
      client.get("/").errback { (called << :first) && EM.next_tick { EM.stop } }
      2.times { |i| client.get("/").errback { raise i.to_s } }
    end
    assert_equal [%w[1 0], [:first]], [errors, called]
  end

  NOISE = ["HTTP/1.1 200 OK\r\n", "HTTP/1.1 100 X\r\n", "Content-Length: 3\r\n", "Transfer-Encoding: chunked\r\n", "Connection: close\r\n",
           "\r\n", "3\r\nabc\r\n", "0\r\n\r\n", "abc", "\0", "\xff"].freeze

  def test_each_request_ends_exactly_once_whatever_the_server_sends
    count = 150
    outcomes = Array.new(3 * count) { [] }
    reactor do
      count.times do |seed|
        random = Random.new(seed)
        client = connect(answering(Array.new(random.rand(20)) { NOISE.sample(random: random) }.join, close: true))
        3.times { |i| outcome_of(client.get("/"), outcomes[(3 * seed) + i]) }
      end
      as_soon_as(-> { outcomes.none?(&:empty?) && EM.connection_count == count }) { EM.stop }
    end
    assert_equal [1], outcomes.map(&:size).uniq
  end

  def test_limits_of_a_class_and_of_an_object
    request = requested(-> { answering(ok("12345")) }, Class.new(EM::P::HttpClient2) { def max_content_bytes = 4 })
    assert_equal :body_too_large, request.internal_error
    reactor do
      client = connect(answering(ok("12345")))
      client.max_header_lines = 0
      (request = client.get("/")).errback { (assert_equal :bad_header, request.internal_error) && EM.stop }
    end
  end

  def test_line_ends_in_any_argument_are_refused_and_nothing_is_sent
    reactor do
      client = connect(http_server { |_, request| (assert_match(%r{\AGET /fine }, request)) && EM.stop })
      ["a\r\nX: y", "a\rb", "a\nb", "a\0b"].each do |evil|
        [evil, { uri: evil }, { host_header: evil }, { authorization: evil }, { version: evil }, { content: "", contenttype: evil }]
          .each { |args| assert_raises(ArgumentError) { client.get(args) } }
        assert_raises(ArgumentError) { client.request(uri: "/", verb: evil) }
        assert_raises(ArgumentError) { connect(1, host: evil) }
      end
      [0, -1, "soon"].each { |timeout| assert_raises(ArgumentError) { client.get(uri: "/", timeout: timeout) } }
      assert_raises(ArgumentError) { client.request(uri: "h:1", verb: "CONNECT") }
      client.get("/fine")
    end
  end

  def test_ports_and_timeouts_are_checked_before_anything_is_opened
    reactor do
      quietly do
        assert_raises(ArgumentError) { EM::P::HttpClient2.connect("127.0.0.1", "xxx") }
        assert_raises(TypeError) { EM::P::HttpClient2.connect("127.0.0.1", nil) }
        assert_raises(TypeError) { EM::P::HttpClient2.connect(host: "127.0.0.1") }
        assert_raises(ArgumentError) { EM::P::HttpClient2.connect(host: "127.0.0.1", port: 1, timeout: 0) }
        assert_raises(EM::ConnectionError) { EM::P::HttpClient2.connect("nowhere.invalid", 1) }
      end
      assert_equal 0, EM.connection_count
      EM.stop
    end
  end

  def test_a_port_may_be_a_string
    reactor do
      quietly { EM::P::HttpClient2.connect("127.0.0.1", answering(ok("x")).to_s) }.get("/").callback { EM.stop }
    end
  end

  # Simulates a connection that supports TLS.
  class WithTls < EM::P::HttpClient2
    def self.begun
      @begun ||= []
    end

    def start_tls(parameters)
      WithTls.begun << [parameters, get_outbound_data_size]
    end
  end

  def test_tls_starts_before_anything_is_sent
    EM.stub(:ssl?, true) do
      reactor do
        connect(closed_port, WithTls, tls: true).get("/").errback { EM.stop }
        connect(closed_port, WithTls, ssl: { verify_peer: true, sni_hostname: "other" }).get("/")
      end
    end
    assert_equal [[{ sni_hostname: "127.0.0.1" }, 0], [{ sni_hostname: "other", verify_peer: true }, 0]], WithTls.begun
  end

  def test_unavailable_tls_is_refused_before_anything_is_opened
    EM.stub(:ssl?, false) do
      reactor do
        [:tls, :ssl].each { |name| assert_raises(EM::Unsupported) { connect(1, name => true) } }
        assert_equal 0, EM.connection_count
        EM.stop
      end
    end
  end

  def test_a_reconnected_client_starts_with_an_empty_buffer
    reactor do
      port = http_server do |server, _|
        server.send_data(servers.size == 1 ? "HTTP/1.1 200 OK\r\nhalf" : ok("x"))
        server.close_connection_after_writing if servers.size == 1
      end
      client = connect(port)
      client.get("/").errback do
        client.reconnect("127.0.0.1", port)
        client.get("/").callback { |request| (assert_equal "x", request.content) && EM.stop }
      end
    end
  end

  def test_it_includes_line_text_2_and_warns_that_it_is_deprecated
    reactor do
      assert_output("", /HttpClient2 is deprecated.*em-http-request/) do
        assert_kind_of EM::P::LineText2, EM::P::HttpClient2.connect("127.0.0.1", closed_port)
        EM.stop
      end
    end
  end

  private

  def requested(port, klass = EM::P::HttpClient2)
    request = nil
    reactor do
      request = connect(port.call, klass).get("/")
      outcome_of(request) { EM.stop }
    end
    request
  end

  # Ports exist only while a reactor runs.
  def answering(*arguments, **options)
    return super if EM.reactor_running?

    -> { super(*arguments, **options) }
  end

  def assert_sends(expected, args, method = :get)
    reactor do
      port = http_server do |_, request|
        assert_equal expected.sub("PORT", port.to_s), request
        EM.stop
      end
      connect(port).public_send(method, args)
    end
  end

  def mixed(request)
    case request
    when /chunked/ then "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX: y\r\n\r\n"
    when /nothing/ then "HTTP/1.1 204 X\r\nContent-Length: 9\r\n\r\n"
    when /interim/ then "HTTP/1.1 100 Continue\r\n\r\n#{ok('/interim')}"
    when /HEAD/ then "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"
    else ok(request[%r{/\w+}])
    end
  end
end
