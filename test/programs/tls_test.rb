# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# Programs of others that use TLS by our engine: thin --ssl, faye over wss, em-websocket, em-http-request with and
# without verification.

require "programs_helper"
require "net/http"
require "open3"
require_relative "../ruby/support/certificates"

class ProgramsWithTlsTest < ProgramTest
  WEBSOCKET_CLIENT = File.join(APPS, "websocket_client.py")
  RECEIVED = ["20 subscribers: #{[(0..9).to_a].inspect}"].freeze

  def before_setup
    super
    skip "this EventMachine has no TLS" unless EM.ssl?
  end

  def test_thin
    thin = start_thin("thin.ru")
    assert_on_our_engine(thin.pid)
    https(thin.port) do |http|
      assert_equal ["hello, world"] * 3, Array.new(3) { http.get("/hello").body }
      assert_equal 20 << 20, http.get("/large?#{20 << 20}").body.bytesize
      body = Random.new(1).bytes(3 << 20)
      assert_equal "#{body.bytesize} #{body.sum}", http.post("/sum", body, "Content-Type" => "text/plain").body
    end
  end

  def test_thin_serves_another_client_while_one_does_not_finish_its_handshake
    thin = start_thin("thin.ru")
    peer(thin.port).write("\x16\x03\x01\x02\x00")
    https(thin.port) { |http| assert_equal "hello, world", http.get("/hello").body }
  end

  def test_faye_over_wss
    server = start_thin("faye.ru")
    assert_equal RECEIVED, lines_of("faye_clients", "https://localhost:#{server.port}/faye", environment: trusting)
  end

  def test_faye_over_https
    server = start_thin("faye.ru")
    assert_equal RECEIVED, lines_of("faye_clients", "https://localhost:#{server.port}/faye", "websocket", environment: trusting)
  end

  def test_em_websocket
    server = start_program { |port, _| ruby_app("em_websocket", port, credentials.chain_file, credentials.key_file) }
    %w[texts binary many many_clients].each do |wish|
      output, status = Open3.capture2e(trusting, "/usr/bin/python3", WEBSOCKET_CLIENT,
                                       "wss://localhost:#{server.port}/chat", wish)
      assert_predicate status, :success?, output
      assert_equal ["True"], output.lines(chomp: true).uniq - ["open /chat"], wish
    end
  end

  def test_em_http_request_without_verification
    [credentials, Certificates.self_signed("localhost")].each do |shown|
      assert_equal ["hello, world"], ask("unverified", start_thin("thin.ru", shown))
    end
  end

  def test_em_http_request_with_verification
    assert_equal ["hello, world"], ask("verified", start_thin("thin.ru"))
  end

  def test_em_http_request_refuses_a_certificate_for_another_host
    other = Certificates.root.issue("example.com")
    assert_match(/does not match the server certificate/, failure_of(start_thin("thin.ru", other)))
  end

  def test_em_http_request_refuses_a_certificate_of_an_unknown_authority
    stranger = Certificates.self_signed("localhost")
    assert_match(/unable to verify the server certificate/, failure_of(start_thin("thin.ru", stranger)))
  end

  private

  def credentials
    Certificates.localhost
  end

  def root
    Certificates.root.cert_file
  end

  # @return [Hash] the environment of programs that verify with Ruby's openssl
  def trusting
    { "SSL_CERT_FILE" => root }
  end

  def ask(wish, server)
    lines_of("em_http_request", wish, "https://localhost:#{server.port}/hello", environment: trusting)
  end

  # em-http-request raises in its callbacks, which ends the program.
  # @return [String] what it prints
  def failure_of(server)
    command = ruby_app("em_http_request", "verified", "https://localhost:#{server.port}/hello")
    output, status = Open3.capture2e(trusting, *command)
    refute_predicate status, :success?, output
    output
  end

  def start_thin(app, shown = credentials)
    start_program(ended_by: :KILL) do |port, _|
      ruby_command("/usr/bin/thin", "--rackup", File.join(APPS, app), "--address", "127.0.0.1", "--port", port.to_s,
                   "--ssl", "--ssl-key-file", shown.key_file, "--ssl-cert-file", shown.chain_file,
                   "--max-persistent-conns", "1000", "--environment", "production", "start")
    end
  end

  def https(port, &block)
    Net::HTTP.start("localhost", port, use_ssl: true, ca_file: root, &block)
  end
end
