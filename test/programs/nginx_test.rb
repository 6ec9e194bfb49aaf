# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# The HTTP clients with nginx.

require "programs_helper"
require "support/http_peer"
require "zlib"
require_relative "support/nginx"

class NginxTest < ProgramTest
  include HttpPeer

  def setup
    @port = start_program { |port, directory| Nginx.command(port, directory, ipv6: ipv6?) }.port
  end

  def test_files_with_both_clients
    { "/small" => [200, Nginx::HELLO], "/empty" => [200, ""], "/large" => [200, Nginx.large], "/hello" => [200, Nginx::HELLO],
      "/nothing" => [204, ""], "/chunked/small" => [200, Nginx::HELLO], "/chunked/large" => [200, Nginx.large],
      "/chunked/empty" => [200, ""] }.each do |path, expected|
      result = fetched(request: path)
      assert_equal expected, [result[:status], result[:content]], path
      request = requested(path)
      assert_equal expected, [request.status, request.content], path
    end
  end

  def test_missing_files
    assert_equal 404, fetched(request: "/missing")[:status]
    assert_equal 404, requested("/missing").status
  end

  def test_redirects_are_not_followed
    assert_equal 301, fetched(request: "/moved")[:status]
    assert_equal [301, ["http://127.0.0.1:#{@port}/small"]], requested("/moved").then { |request| [request.status, request.headers["location"]] }
  end

  def test_head_returns_the_length_without_content
    result = fetched(verb: :head, request: "/large")
    assert_includes result[:headers], "Content-Length: #{Nginx::LARGE_BYTES}"
    assert_equal "", result[:content]
  end

  def test_not_modified
    date = fetched(request: "/small")[:headers].grep(/\ALast-Modified/).first.split(": ", 2).last
    result = fetched(request: "/small", custom_headers: { "If-Modified-Since" => date })
    assert_equal [304, ""], [result[:status], result[:content]]
  end

  def test_compressed_content
    result = fetched(request: "/gzip/large", custom_headers: { "Accept-Encoding" => "gzip" })
    assert_includes result[:headers], "Transfer-Encoding: chunked"
    assert_equal Nginx.large, Zlib.gunzip(result[:content])
    assert_equal Nginx::HELLO, fetched(request: "/gzip/small")[:content]
  end

  def test_in_http_1_0_the_content_ends_with_the_connection
    result = fetched(request: "/chunked/large", version: "1.0")
    assert_empty result[:headers].grep(/\A(?:Content-Length|Transfer-Encoding)/i)
    assert_equal Nginx.large, result[:content]
    assert_equal Nginx.large, requested({ uri: "/chunked/large", version: "1.0" }).content
  end

  def test_posting
    sent = fetched(verb: :post, request: "/posted", content: "ä" * 300_000, contenttype: "text/plain")
    assert_equal "POST text/plain 600000", sent[:content]
    request = requested({ uri: "/posted", content: "ä", contenttype: "a/b" }, :post)
    assert_equal "POST a/b 2", request.content
  end

  def test_headers_as_nginx_receives_them
    result = fetched(request: "/who", cookie: "a=b", basic_auth: { username: "me", password: "p:q" })
    assert_equal "127.0.0.1:#{@port} Ruby EventMachine me a=b", result[:content]
    assert_equal "example.org  me ", requested({ uri: "/who", host_header: "example.org", authorization: "Basic bWU6eA==" }).content
  end

  def test_ipv6
    skip "no IPv6" unless ipv6?

    assert_equal "[::1]:#{@port} Ruby EventMachine  ", fetched(host: "::1", request: "/who")[:content]
    assert_equal "[::1]:#{@port}   ", requested("/who", host: "::1").content
  end

  def test_a_thousand_pipelined_requests_of_all_kinds
    expected = Array.new(250) { [[200, Nginx::HELLO], [204, ""], [404, nil], [200, Nginx::HELLO]] }.flatten(1)
    results = pipelined(%w[/small /nothing /missing /chunked/small] * 250)
    assert_equal expected, results.map { |status, content| [status, status == 404 ? nil : content] }
  end

  def test_large_pipelined_contents
    assert_equal [[200, Nginx.large]] * 3, pipelined(%w[/large /chunked/large /large])
  end

  def test_a_connection_that_nginx_closes_in_the_middle
    results = pipelined(["/few/small"] * 1000)
    assert_equal ([[200, Nginx::HELLO]] * 500) + ([[:failed]] * 500), results
    assert_equal 999.downto(500).to_a, @failed
  end

  def test_requests_that_nginx_refuses
    assert_equal 400, requested("").status
    assert_equal 400, fetched(request: "/", host_header: "a b")[:status]
  end

  def test_a_stopped_nginx
    @programs.each(&:finish)
    assert_equal({ status: 0 }, fetched(request: "/small"))
    assert_nil requested("/small").status
  end

  private

  def fetched(host: "127.0.0.1", **args)
    result = nil
    reactor do
      client = fetch(@port, host: host, **args)
      [client.callback { |hash| (result = hash) && EM.stop }, client.errback { |hash| (result = hash) && EM.stop }]
    end
    result
  end

  # @return [EM::P::HttpClient2::Request]
  def requested(args, method = :get, host: "127.0.0.1")
    request = nil
    reactor do
      request = connect(@port, host: host).public_send(method, args)
      outcome_of(request) { EM.stop }
    end
    request
  end

  # @return [Array] [status, content] or [:failed] for each request; @failed lists the failed ones in the order of
  #   failure
  def pipelined(paths)
    results = Array.new(paths.size)
    left = paths.size
    @failed = []
    reactor do
      client = connect(@port)
      paths.each_with_index do |path, i|
        request = client.get(path)
        request.callback { (results[i] = [request.status, request.content]) && (left -= 1).zero? && EM.stop }
        request.errback { (results[i] = [:failed]) && (@failed << i) && (left -= 1).zero? && EM.stop }
      end
    end
    results
  end

  def ipv6?
    TCPServer.new("::1", 0).close
    true
  rescue SystemCallError
    false
  end
end
