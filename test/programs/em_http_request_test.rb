# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "programs_helper"
require "digest"
require_relative "support/nginx_responses"

# em-http-request as a client of nginx.
class EMHttpRequestTest < ProgramTest
  include NginxResponses

  LARGE = ("0123456789" * (1 << 20)).freeze
  SUM = Digest::MD5.hexdigest(LARGE)

  def setup
    super
    @nginx = start_nginx do |folder|
      File.write(File.join(folder, "hello.txt"), "hello")
      File.write(File.join(folder, "large.txt"), LARGE)
    end
  end

  def test_get
    assert_said ["200 hello"], "get", "/hello.txt"
    assert_said ["404 0"], "status", "/nothing"
  end

  def test_query_and_headers
    assert_said ["200 GET a=b%20c"], "query", "/method"
    assert_said ["200 of our own"], "header", "/header"
  end

  def test_post_and_put
    assert_said ["10 application/x-www-form-urlencoded"], "post", "/posted"
    assert_said ["5000000 "], "put", "/posted", 5_000_000
  end

  def test_a_file_is_sent
    assert_said ["#{LARGE.bytesize} "], "file", "/posted", File.join(@nginx.directory, "large.txt")
  end

  def test_head
    assert_said ["200 #{LARGE.bytesize} 0"], "head", "/large.txt"
  end

  def test_redirects_are_followed_up_to_a_limit
    assert_said ["1 /hello.txt hello"], "redirects", "/moved"
    assert_said ["302 3"], "status", "/around", 3
  end

  def test_basic_authorization
    assert_said ["200 hello"], "authorized", "/secret"
  end

  def test_responses_are_decompressed
    assert_said ["gzip #{LARGE.bytesize} #{SUM}"], "zipped", "/zipped/large.txt"
  end

  def test_a_large_response_arrives_in_pieces
    assert_said ["true 0 #{SUM}"], "stream", "/large.txt"
  end

  def test_cookies
    assert_said ["200 d"], "cookie", "/cookie"
  end

  def test_one_connection_for_several_requests
    assert_said %w[hello hello hello], "keepalive", "/hello.txt"
  end

  def test_pipelined_requests_are_answered_in_order
    assert_said [(0..9).to_a.inspect], "pipelined", "/method"
  end

  def test_100_requests_at_once
    assert_said ["100 0"], "multi", "/method"
  end

  def test_a_connection_that_ends_without_a_response
    assert_said ["failed: connection closed by server"], "get", "/broken"
  end

  def test_connecting_to_a_closed_port
    assert_equal ["failed: Errno::ECONNREFUSED"], ask("get", "http://127.0.0.1:#{closed_port}/")
  end

  def test_a_name_that_does_not_exist
    assert_equal ["failed: unable to resolve address: Name or service not known"], ask("get", "http://name.invalid/")
  end

  def test_a_server_that_does_not_respond
    port = listener.local_address.ip_port
    assert_equal ["failed: Errno::ETIMEDOUT"], ask("timeout", "http://127.0.0.1:#{port}/")
  end

  def test_a_server_that_does_not_accept
    assert_equal ["failed: Errno::ETIMEDOUT"], ask("connect_timeout", "http://127.0.0.1:#{unresponsive_port}/")
  end

  private

  def assert_said(lines, wish, path, *arguments)
    assert_equal lines, ask(wish, "http://127.0.0.1:#{@nginx.port}#{path}", *arguments)
  end

  def ask(wish, url, *arguments)
    lines_of("em_http_request", wish, url, *arguments)
  end
end
