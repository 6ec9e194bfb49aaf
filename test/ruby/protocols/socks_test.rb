# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# The clients of SOCKS proxies: the requests that they send, and how they handle every reply.

require "test_helper"
require_relative "../support/segmentation"

class SocksTest < Minitest::Test
  include Segmentation

  # A user's class, with a substitute for the methods of its connection.
  module Recorded
    attr_reader :sent, :events, :closed

    def initialize(*)
      @sent = "".b
      @events = []
      super
    end

    def send_data(data)
      @sent << data
    end

    def close_connection(*)
      @closed = true
    end

    def post_init
      @events << :post_init
    end

    def receive_data(data)
      last = @events.last
      last.is_a?(String) ? last << data : @events << +data
    end
  end

  class Client4 < EM::P::Socks4
    include Recorded
  end

  class Client5 < EM::P::Socks5
    include Recorded
  end

  GRANT4 = "\0Z\x12\x34\x01\x02\x03\x04".b
  GRANT5 = "\x05\0\0\x01\x7f\0\0\x01\x12\x34".b

  def test_socks4_requests
    assert_equal "\x04\x01\x00\x50\x7f\x00\x00\x01\x00".b, client4("127.0.0.1", 80).sent
    assert_equal "\x04\x01\x1f\x90\x7f\x00\x00\x02\x00".b, client4("127.0.0.2", "8080").sent
  end

  def test_socks4_grant_with_surplus_at_every_split
    assert_same_at_every_split("#{GRANT4}hello") do |pieces|
      client = client4
      pieces.each { |piece| client.receive_data(piece) }
      refute client.closed
      assert_empty client.singleton_methods(false)
      assert_equal [:post_init, "hello"], client.events
      client.events
    end
  end

  def test_socks4_refusals_at_every_split
    { 91 => :rejected, 92 => :identd_unreachable, 93 => :identd_mismatch, 0 => :unknown, 255 => :unknown }.each do |code, error|
      assert_same_at_every_split("\0#{code.chr}\0\0\0\0\0\0surplus".b) do |pieces|
        client = client4
        pieces.each { |piece| client.receive_data(piece) }
        client.receive_data(GRANT4)
        assert_equal [true, code, error, []], [client.closed, client.socks_error_code, client.socks_error, client.events]
        assert_equal code, client.instance_variable_get(:@socks_error_code)
      end
    end
  end

  def test_socks4_ignores_all_but_the_second_byte
    client = client4
    client.receive_data("\xffZ\xff\xff\xff\xff\xff\xff".b)
    assert_equal [:post_init], client.events
  end

  def test_a_proxy_that_disconnects_without_a_reply_leaves_no_code
    client = client4
    client.receive_data("\0")
    client.unbind
    assert_equal [[], nil, nil], [client.events, client.socks_error_code, client.socks_error]
  end

  def test_socks4_refuses_unsupported_targets
    ["::1", "fe80::1%eth0", "[::1]", "0.0.0.0", "0.0.0.9", "1.2.3.4/8", "1.2.3", "256.1.1.1", "", "a\0b", "a\r\nb", "x" * 256].each do |host|
      assert_raises(ArgumentError, host) { client4(host) }
    end
    [0, 65_536, -1, nil, "x"].each { |port| assert_raises(ArgumentError) { client4("a", port) } }
  end

  def test_socks5_greetings_offer_passwords_only_if_there_is_one
    assert_equal "\x05\x01\x00".b, client5.sent
    assert_equal "\x05\x02\x00\x02".b, client5(username: "a", password: "b").sent
  end

  def test_socks5_requests_for_every_kind_of_address
    {
      "127.0.0.1" => "\x01\x7f\0\0\x01", "::1" => "\x04#{"\0" * 15}\x01", "example.org" => "\x03\x0bexample.org",
      "x" * 255 => "\x03\xff#{'x' * 255}", "é.org" => "\x03\x06é.org"
    }.each do |host, address|
      client = client5(host: host, port: 258)
      client.sent.clear
      client.receive_data("\x05\0")
      assert_equal "\x05\x01\0".b + address.b + "\x01\x02", client.sent
    end
  end

  def test_socks5_grants_with_every_kind_of_address_at_every_split
    ["\x01abcd", "\x04abcdefghijklmnop", "\x03\x00", "\x03\x05names", "\x03\xFF#{'x' * 255}"].each do |address|
      assert_same_at_every_split("\x05\0\x05\0\0".b + address.b + "\x12\x34hello", seeds: 5) do |pieces|
        client = client5
        pieces.each { |piece| client.receive_data(piece) }
        assert_equal [:post_init, "hello"], client.events
        client.sent
      end
    end
  end

  def test_socks5_authenticates_by_bytes_at_every_split
    assert_same_at_every_split("\x05\x02\x01\0#{GRANT5}") do |pieces|
      client = client5(username: "é", password: "p" * 255)
      client.sent.clear
      pieces.each { |piece| client.receive_data(piece) }
      assert_equal [:post_init], client.events
      assert_equal "\x01\x02é\xff".b + "p" * 255 + "\x05\x01\0\x03\x06target\0\x07", client.sent
    end
  end

  def test_socks5_refusals_at_every_split
    EM::P::Socks5::ERRORS.merge(9 => :unknown, 255 => :unknown).each do |code, error|
      refused("\x05\0\x05#{code.chr}\0\x01\0\0\0\0\0\0".b, code, error)
    end
    refused("\x05\0\x05\x02".b, 2, :not_allowed)
  end

  def test_after_no_acceptable_method_nothing_is_sent
    assert_equal "", refused("\x05\xff\x05\0".b, 255, :no_acceptable_method)
  end

  def test_failed_socks5_authentication
    [1, 5, 255].each { |status| refused("\x05\x02\x01".b + status.chr.b, status, :authentication_failed, username: "a", password: "b") }
  end

  def test_replies_that_are_not_socks5
    ["\x04\0", "HTTP/1.1 400", "\x05\x02", "\x05\x01", "\x05\0\x04\0", "\x05\0\x05\0\0\x02"].each { |reply| refused(reply.b, nil, :invalid_reply) }
    ["\x05\x02\x05\0", "\x05\x02\0\0"].each { |reply| refused(reply.b, nil, :invalid_reply, username: "a", password: "b") }
  end

  def test_socks5_refuses_invalid_targets_and_options
    ["fe80::1%eth0", "1.2.3.4/8", "1::2::3", "", "a\0b", "x" * 256].each { |host| assert_raises(ArgumentError, host) { client5(host: host) } }
    [{ username: "a" }, { password: "a" }, { username: "", password: "a" }, { username: "é" * 128, password: "a" }, { username: "a", password: "x" * 256 },
     { user: "a" }].each { |options| assert_raises(ArgumentError) { client5(**options) } }
  end

  class Raising < Client4
    def post_init
      raise "in post_init"
    end
  end

  def test_a_post_init_that_raises_does_not_lose_the_surplus
    client = Raising.new(0, "127.0.0.1", 7)
    assert_raises(RuntimeError) { client.receive_data("#{GRANT4}hello") }
    assert_equal ["hello"], client.events
  end

  def test_fuzz
    2000.times do |seed|
      random = Random.new(seed)
      client = random.rand(2).zero? ? client4 : client5(username: "a", password: "b")
      stream = ["\x05\0\x05\0\0\x01abcd12", "\x05\x02\x01\0\x05\0\0\x03\x03abc12", "\0Zabcdef"].sample(random: random).b
      random.rand(4).times { stream.setbyte(random.rand(stream.size), random.rand(256)) }
      random_pieces(stream + random.bytes(random.rand(30)), random).each { |piece| client.receive_data(piece) }
      assert client.closed || client.events.size <= 2
    end
  end

  private

  def client4(host = "127.0.0.1", port = 7)
    Client4.new(0, host, port).tap { |client| client.post_init if client.sent.empty? }
  end

  def client5(host: "target", port: 7, **options)
    Client5.new(0, host, port, options).tap { |client| client.post_init if client.sent.empty? }
  end

  # @return [String] the output after the greeting
  def refused(reply, code, error, **options)
    assert_same_at_every_split(reply) do |pieces|
      client = client5(**options)
      client.sent.clear
      pieces.each { |piece| client.receive_data(piece) }
      client.receive_data("\x05\0#{GRANT5}")
      assert_equal [true, code, error, []], [client.closed, client.socks_error_code, client.socks_error, client.events]
      client.sent
    end
  end
end
