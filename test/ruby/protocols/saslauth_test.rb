# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "test_helper"
require "support/segmentation"

class SASLauthTest < ReactorTest
  include Segmentation

  # Both sides without a connection.
  class Side
    attr_reader :sent, :closed, :asked

    def initialize(answer = true)
      @answer = answer
      @sent = +""
      @asked = []
      @closed = 0
    end

    def post_init
    end

    def send_data(data)
      @sent << data
    end

    def close_connection
      @closed += 1
    end
  end

  class Server < Side
    include EM::P::SASLauth

    def validate(*request)
      @asked << request
      @answer.respond_to?(:call) ? @answer.call(*request) : @answer
    end
  end

  class Client < Side
    include EM::P::SASLauthclient
  end

  class Gatekeeper < EM::Connection
    include EM::P::SASLauth

    def validate(user, password, _service, _realm)
      user == "ann" && password == "secret"
    end
  end

  class Asker < EM::Connection
    include EM::P::SASLauthclient
  end

  def field(text)
    [text.bytesize].pack("n") + text.b
  end

  def outcomes(count, client = Client.new)
    seen = []
    count.times do |i|
      client.validate?("user#{i}", "x").callback { |*a| seen << [i, :ok, a] }.errback { |*a| seen << [i, :no, a] }
    end
    yield client
    seen
  end

  def test_our_client_and_our_server
    verdicts = []
    path = socket_path
    reactor do
      EM.start_unix_domain_server(path, Gatekeeper)
      client = EM.connect_unix_domain(path, Asker)
      client.validate?("ann", "secret", "smtp", "realm").callback { verdicts << :in }.errback { verdicts << :out }
      client.validate?("ann", "wrong").callback { verdicts << :in }.errback do
        verdicts << :out
        EM.stop
      end
    end
    assert_equal %i[in out], verdicts
  end

  def test_requests_are_read_at_every_split
    requests = [%w[ann secret smtp realm], ["b\xC3\xB6b".b, "\0\r\n".b, "", ""], ["", "", "", ""]]
    input = requests.flatten.map { |text| field(text) }.join
    asked, sent = assert_same_at_every_split(input) do |pieces|
      server = Server.new(->(user, *) { user == "ann" })
      pieces.each { |piece| server.receive_data(piece) }
      [server.asked, server.sent]
    end
    assert_equal requests, asked
    assert_equal "\0\2OK\0\2NO\0\2NO", sent
  end

  def test_replies_are_read_at_every_split
    input = ["OK", "NO", "OK welcome", "NO reason", "", "yes", "OOK"].map { |text| field(text) }.join
    verdicts = assert_same_at_every_split(input) do |pieces|
      outcomes(7) { |client| pieces.each { |piece| client.receive_data(piece) } }
    end
    assert_equal %i[ok no ok no no no no], verdicts.map { |_, verdict, _| verdict }
    assert_equal (0..6).to_a, verdicts.map(&:first)
    assert_empty verdicts.flat_map(&:last)
  end

  def test_everybody_is_rejected_by_default_and_nothing_is_printed
    server = Class.new(Side) { include EM::P::SASLauth }.new
    assert_silent { 4.times { server.receive_data(field("x")) } }
    assert_equal "\0\2NO", server.sent
  end

  def test_the_request_on_the_wire_counts_bytes_and_has_empty_fields_for_nil
    client = Client.new
    client.validate?("b\u00f6b", "p")
    assert_equal field("b\u00f6b") + field("p") + "\0\0\0\0", client.sent
  end

  def test_a_field_that_is_too_long_is_refused_before_anything_is_sent
    client = Client.new
    assert_raises(ArgumentError) { client.validate?("ann", "x" * 65_536) }
    assert_empty client.sent
    client.validate?("ann", "x" * 65_535)
    assert_equal [0xffff].pack("n"), client.sent[5, 2]
  end

  def test_a_peer_that_exceeds_the_limit_is_disconnected_and_ignored
    [Server, Client].each do |side|
      peer = side.new
      peer.receive_data([1025].pack("n"))
      3.times { peer.receive_data("x" * 1000) }
      assert_equal 1, peer.closed
    end
  end

  def test_the_limit_can_be_set
    server = Server.new
    server.max_field_bytes = 3
    server.receive_data(field("abc"))
    assert_equal 0, server.closed
    server.receive_data(field("abcd"))
    assert_equal 1, server.closed
  end

  def test_an_unsolicited_reply_closes_the_connection
    client = Client.new
    client.receive_data(field("OK"))
    assert_equal 1, client.closed
  end

  def test_a_reply_that_arrived_before_its_request_is_not_accepted
    client = Client.new
    verdicts = []
    client.validate?("ann", "x").callback do
      verdicts << :ann
      client.validate?("eve", "y").callback { verdicts << :eve }.errback { verdicts << :refused }
    end
    client.receive_data(field("OK") * 2)
    client.receive_data(field("OK"))
    assert_equal %i[ann refused], verdicts
    assert_equal 1, client.closed
  end

  def test_a_callback_that_raises_does_not_block_later_replies
    verdicts = []
    EM.error_handler { |error| verdicts << error.message }
    reactor do
      port = server(receive_data: ->(peer, data) { data.include?("three") ? peer.close_connection : peer.send_data(field("OK") * 2) })
      client = EM.connect("127.0.0.1", port, Asker)
      client.validate?("one", "").callback { raise "mine" }
      client.validate?("two", "").callback do
        verdicts << :two
        client.validate?("three", "").errback { raise "mine" }
        client.validate?("four", "").errback { (verdicts << :four) && EM.stop }
      end
    end
    assert_equal ["mine", :two, "mine", :four], verdicts
  ensure
    EM.error_handler(nil)
  end

  def test_an_errback_may_reconnect_and_send_a_request_at_once
    verdicts = []
    reactor do
      port = server(receive_data: ->(peer, data) { data.include?("one") ? peer.close_connection : peer.send_data(field("OK")) })
      client = EM.connect("127.0.0.1", port, Asker)
      client.validate?("one", "").errback do
        client.reconnect("127.0.0.1", port)
        client.validate?("two", "").callback { (verdicts << :in) && EM.stop }.errback { (verdicts << :out) && EM.stop }
      end
    end
    assert_equal [:in], verdicts
  end

  def test_a_validation_that_raises_rejects_and_keeps_replies_in_order
    answers = nil
    errors = []
    EM.error_handler { |error| errors << error.message }
    reactor do
      daemon = Class.new(Gatekeeper) { define_method(:validate) { |user, *rest| user == "bad" ? raise("mine") : super(user, *rest) } }
      port = EM.start_server("127.0.0.1", 0, daemon).then { |signature| Socket.unpack_sockaddr_in(EM.get_sockname(signature)).first }
      talk(port) do |socket|
        socket.write([%w[bad x s r], %w[ann secret s r]].flatten.map { |text| field(text) }.join)
        answers = socket.read(8)
      end
    end
    assert_equal "\0\2NO\0\2OK", answers
    assert_equal ["mine"], errors
  ensure
    EM.error_handler(nil)
  end

  def test_a_client_that_sends_requests_without_reading_is_disconnected
    server = Server.new
    unread = 64 << 10
    server.define_singleton_method(:get_outbound_data_size) { unread }
    server.receive_data("\0" * 8)
    assert_equal [1, 0], [server.asked.size, server.closed]
    unread += 1
    server.receive_data("\0" * 8)
    assert_equal [1, 1], [server.asked.size, server.closed]
  end

  def test_pending_requests_fail_exactly_once_with_the_connection
    verdicts = outcomes(3) do |client|
      client.receive_data(field("OK"))
      2.times { client.unbind(Errno::ECONNRESET) }
    end
    assert_equal [[0, :ok, []], [1, :no, []], [2, :no, []]], verdicts
  end

  def test_a_request_after_the_end_fails_at_once
    client = Client.new
    client.unbind
    failed = false
    client.validate?("a", "b").errback { failed = true }
    assert failed
    assert_empty client.sent
  end

  def test_a_reconnected_client_can_send_requests
    client = Client.new
    client.receive_data("\0\5OK")
    client.unbind
    client.connection_completed
    assert_equal [[0, :ok, []]], outcomes(1, client) { client.receive_data(field("OK")) }
  end

  def test_random_data_never_raises_nor_grows_memory
    200.times do |seed|
      random = Random.new(seed)
      noise = random.bytes(3000)
      [Server.new, Client.new].each do |side|
        random_pieces(noise, random).each { |piece| side.receive_data(piece) }
      end
    end
    server = Server.new
    server.max_field_bytes = 65_535
    10_000.times { server.receive_data("\0\1x") }
    assert_equal 2500, server.asked.size
  end
end
