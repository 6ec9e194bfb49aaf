# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# usage: ruby em_http_request.rb CASE URL [ARGUMENT]
#
# One use of em-http-request, whose outcome is printed.

require "em-http-request"
require "digest"
require "pathname"

# The uses by name.
module Cases
  module_function

  def get(url, **options)
    report(EM::HttpRequest.new(url).get(options)) { |http| "#{http.response_header.status} #{http.response}" }
  end

  def query(url)
    get(url, query: { "a" => "b c" }, head: { "user-agent" => "test" })
  end

  def header(url)
    get(url, head: { "X-Header" => "of our own" })
  end

  def post(url)
    http = EM::HttpRequest.new(url).post(body: { "name" => "value" })
    report(http) { http.response }
  end

  def put(url, length)
    http = EM::HttpRequest.new(url).put(body: "x" * Integer(length))
    report(http) { http.response }
  end

  def file(url, path)
    http = EM::HttpRequest.new(url).post(file: path)
    report(http) { http.response }
  end

  def status(url, redirects = 0)
    http = EM::HttpRequest.new(url).get(redirects: Integer(redirects))
    report(http) { "#{http.response_header.status} #{http.redirects}" }
  end

  def head(url)
    http = EM::HttpRequest.new(url).head
    report(http) { "#{http.response_header.status} #{http.response_header.content_length} #{http.response.bytesize}" }
  end

  def redirects(url)
    http = EM::HttpRequest.new(url).get(redirects: 3)
    report(http) { "#{http.redirects} #{http.last_effective_url.path} #{http.response}" }
  end

  def authorized(url)
    get(url, head: { "authorization" => %w[user password] })
  end

  def zipped(url)
    http = EM::HttpRequest.new(url).get(head: { "accept-encoding" => "gzip" })
    report(http) { "#{http.response_header['CONTENT_ENCODING']} #{http.response.bytesize} #{Digest::MD5.hexdigest(http.response)}" }
  end

  # The response arrives in pieces.
  def stream(url)
    digest = Digest::MD5.new
    pieces = 0
    http = EM::HttpRequest.new(url).get
    http.stream { |piece| digest << piece and pieces += 1 }
    report(http) { "#{pieces > 1} #{http.response.bytesize} #{digest}" }
  end

  def cookie(url)
    get(url, head: { "cookie" => { "c" => "d" } })
  end

  def keepalive(url)
    connection = EM::HttpRequest.new(url)
    following = lambda do |left|
      http = connection.get(keepalive: left > 1)
      report(http, last: left == 1) { http.response }
      http.callback { following.call(left - 1) if left > 1 }
    end
    following.call(3)
  end

  # The second request is sent before the response to the first.
  def pipelined(url)
    connection = EM::HttpRequest.new(url)
    answers = []
    10.times do |i|
      http = connection.get(query: i.to_s, keepalive: i < 9)
      http.callback { finish(answers.inspect) if (answers << http.response[/\d/].to_i).size == 10 }
      http.errback { finish("failed: #{http.error}") }
    end
  end

  def multi(url)
    multi = EM::MultiRequest.new
    100.times { |i| multi.add(i, EM::HttpRequest.new(url).get(query: i.to_s)) }
    multi.callback do
      answers = multi.responses[:callback].sum { |i, http| http.response == "GET #{i}" ? 1 : 0 }
      finish("#{answers} #{multi.responses[:errback].size}")
    end
  end

  def timeout(url)
    get_with(url, inactivity_timeout: 0.2)
  end

  def connect_timeout(url)
    get_with(url, connect_timeout: 0.2)
  end

  def get_with(url, **options)
    report(EM::HttpRequest.new(url, options).get, &:response)
  end

  # Each certificate is verified by em-http-request itself, in ssl_verify_peer.
  def verified(url)
    get_with(url, tls: { verify_peer: true })
  end

  def unverified(url)
    get_with(url, tls: { verify_peer: false })
  end

  def report(http, last: true)
    http.callback { last ? finish(yield(http)) : puts(yield(http)) }
    http.errback { finish("failed: #{http.error}") }
  end

  def finish(text)
    puts text
    EM.stop
  end
end

EM.run { Cases.public_send(*ARGV) }
