# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# The STOMP client in an object without a connection: frames that it sends and receives.

require "test_helper"
require_relative "../support/segmentation"

class StompTest < Minitest::Test
  include Segmentation

  class Client
    include EM::P::Stomp

    attr_reader :sent, :messages, :errors, :closed

    def initialize
      @sent = []
      @messages = []
      @errors = []
    end

    def send_data(data)
      @sent << data
    end

    def receive_msg(message)
      @messages << [message.command, message.headers, message.body]
    end

    def receive_error(text)
      @errors << text
    end

    def close_connection
      @closed = true
    end

    def close_connection_after_writing
      @closed = :after_writing
    end
  end

  TEXT = "content-type: text/plain; charset=UTF-8\n"

  def test_commands_on_the_wire
    {
      ->(c) { c.connect(login: "a", "passcode" => "b") } => "CONNECT\nlogin:a\npasscode:b\ncontent-length: 0\n#{TEXT}\n\0",
      ->(c) { c.connect } => "CONNECT\ncontent-length: 0\n#{TEXT}\n\0",
      ->(c) { c.send("/q", "hé", a: 1) } => "SEND\na:1\ndestination:/q\ncontent-length: 3\n#{TEXT}\nhé\0",
      ->(c) { c.subscribe("/q") } => "SUBSCRIBE\ndestination:/q\nack:auto\ncontent-length: 0\n#{TEXT}\n\0",
      ->(c) { c.subscribe("/q", true, id: 1) } => "SUBSCRIBE\ndestination:/q\nack:client\nid:1\ncontent-length: 0\n#{TEXT}\n\0",
      ->(c) { c.unsubscribe("/q") } => "UNSUBSCRIBE\ndestination:/q\ncontent-length: 0\n#{TEXT}\n\0",
      ->(c) { c.ack("T_1", transaction: "t") } => "ACK\nmessage-id:T_1\ntransaction:t\ncontent-length: 0\n#{TEXT}\n\0",
      ->(c) { c.begin("t") } => "BEGIN\ntransaction:t\ncontent-length: 0\n#{TEXT}\n\0",
      ->(c) { c.commit("t") } => "COMMIT\ntransaction:t\ncontent-length: 0\n#{TEXT}\n\0",
      ->(c) { c.abort("t") } => "ABORT\ntransaction:t\ncontent-length: 0\n#{TEXT}\n\0",
      ->(c) { c.disconnect } => "DISCONNECT\ncontent-length: 0\n#{TEXT}\n\0"
    }.each do |command, frame|
      client = Client.new
      command.call(client)
      assert_equal frame.b, client.sent.first
    end
  end

  def test_disconnect_closes_the_connection_once_the_frame_is_sent
    client = Client.new
    client.disconnect
    assert_equal :after_writing, client.closed
  end

  def test_lengths_are_bytes_and_cannot_be_contradicted
    client = Client.new
    client.send_frame("X", { "content-length" => 1, "content-type" => "a" }, "aé\0\n".freeze)
    client.send_frame("X", { "content-length": 9, "content-type": "b" }, "\xFF".b)
    assert_equal ["X\ncontent-type:a\ncontent-length: 5\n\naé\0\n\0".b, "X\ncontent-type:b\ncontent-length: 1\n\n\xFF\0".b], client.sent
  end

  def test_frames_that_cannot_be_expressed_are_refused
    client = Client.new
    ["a\nb", "a\rb", "a\0b"].each do |text|
      [-> { client.send_frame(text) }, -> { client.send_frame("X", text => 1) }, -> { client.send_frame("X", a: text) }, -> { client.send(text, "") },
       -> { client.subscribe(text) }, -> { client.ack(text) }, -> { client.connect(login: text) }, -> { client.begin(text) }].each do |command|
        assert_raises(ArgumentError, &command)
      end
    end
    assert_raises(ArgumentError) { client.send_frame("X", "a:b" => 1) }
    assert_raises(ArgumentError) { client.send_frame("X", "" => 1) }
    assert_empty client.sent
    client.send_frame("X", a: "b:c")
    assert_includes client.sent.first, "\na:b:c\n"
  end

  FRAMES = {
    "A\nb:c\n\n\0" => ["A", { "b" => "c" }, ""],
    "\n \r\n\nA\r\nb: c:d \r\nno colon\nempty:\nb:last\n\r\nline\nline\n\0\n\r\n" => ["A", { "b" => "last" }, "line\nline\n"],
    "A\ncontent-length:5\n\na\0b\n\xC3\0" => ["A", { "content-length" => "5" }, "a\0b\n\xC3".b],
    "A\ncontent-length: 0\n\n\0\n\n" => ["A", { "content-length" => "0" }, ""],
    "A\ncontent-length: 1\n\nxX" => ["A", { "content-length" => "1" }, "x"],
    "ERROR\nmessage:a\\nb\n\nbody\0" => ["ERROR", { "message" => "a\\nb" }, "body"]
  }.transform_keys(&:b).freeze

  def test_each_kind_of_frame_at_every_split
    FRAMES.each do |input, expected|
      assert_same_at_every_split(input) { |pieces| assert_equal([expected], receive(pieces).messages) && expected }
    end
  end

  def test_consecutive_frames_at_every_split
    assert_same_at_every_split(FRAMES.keys.join) do |pieces|
      client = receive(pieces)
      assert_equal FRAMES.values, client.messages
      assert_equal [Encoding::BINARY], client.messages.map { |message| message.last.encoding }.uniq
      client.messages
    end
  end

  def test_protocol_violations_close_the_connection_and_further_data_is_ignored
    long = "x" * 70_000
    ["A\ncontent-length:-1\n\n", "A\ncontent-length:x\n\n", "A\ncontent-length:1 1\n\n", "A\ncontent-length:33554433\n\n", "A\n#{"a:b\n" * 101}\n", long,
     "A\n#{long}"].each do |breach|
      client = receive([breach])
      assert client.closed, breach[0, 30]
      assert_equal 1, client.errors.size, breach[0, 30]
      client.receive_data("\n\nB\n\n\0")
      assert_empty client.messages
    end
  end

  def test_limits
    client = Client.new
    assert_equal [100, 64 << 10, 32 << 20], [client.max_header_lines, client.max_header_line_bytes, client.max_body_bytes]
    client.max_header_lines = 2
    client.max_body_bytes = 3
    client.receive_data("A\na:b\nc:d\n\nabc\0A\ncontent-length:3\n\nabc\0")
    assert_equal [2, nil], [client.messages.size, client.closed]
    client.receive_data("A\n\nabcd")
    assert client.closed
  end

  def test_a_body_may_be_as_long_as_the_limit
    client = receive(["A\ncontent-length:#{32 << 20}\n\n", "x" * (32 << 20), "\0B\n\n\0"])
    assert_equal [32 << 20, 0], client.messages.map { |message| message.last.bytesize }
  end

  def test_a_truncated_frame_is_dropped_and_the_next_connection_starts_clean
    ["A", "A\nb:c\n", "A\n\nbody", "A\ncontent-length:5\n\nbo", "A\ncontent-length:1\n\nx", "A\ncontent-length:x\n\n"].each do |cut|
      client = receive([cut])
      client.unbind
      assert_empty client.messages
      client.receive_data("B\n\n\0")
      assert_equal [["B", {}, ""]], client.messages, cut
    end
  end

  def test_receive_msg_may_use_the_connection_freely
    client = Client.new
    client.define_singleton_method(:receive_msg) do |message|
      super(message)
      receive_data("NESTED\n\n\0") if message.command == "A"
    end
    client.receive_data("A\n\n\0B\n\n\0")
    assert_equal %w[A NESTED B], client.messages.map(&:first)
  end

  def test_fuzz
    words = ["A\n", "\n", "content-length:", "3", "-", "a:b\n", "\0", "\r\n", "xyz", ":", " ", "\xFF"].map(&:b)
    1500.times do |seed|
      random = Random.new(seed)
      client = Client.new
      stream = Array.new(80) { random.rand(15).zero? ? random.bytes(5) : words.sample(random: random) }.join
      whole = receive([stream])
      random_pieces(stream, random).each { |piece| client.receive_data(piece) }
      assert_equal [whole.messages, whole.errors, whole.closed], [client.messages, client.errors, client.closed], "seed #{seed}"
    end
  end

  private

  def receive(pieces)
    Client.new.tap { |client| pieces.each { |piece| client.receive_data(piece) } }
  end
end
