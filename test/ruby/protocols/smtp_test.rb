# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "test_helper"

# Client and server over the network: with each other, and with peers that use blocking sockets.
class SmtpTest < ReactorTest
  # Keeps the messages that it receives in its class.
  class Inbox < EM::P::SmtpServer
    Message = Struct.new(:sender, :recipients, :lines)

    class << self
      def messages
        @messages ||= []
      end

      attr_accessor :ended
    end

    def receive_sender(raw)
      @message = Message.new(raw, [], [])
    end

    def receive_recipient(raw)
      raw.start_with?("<nobody") ? false : @message.recipients << raw
    end

    def receive_plain_auth(user, password)
      later = EM::DefaultDeferrable.new
      EM.next_tick { user == "ann" && password == "secret" ? later.succeed : later.fail }
      later
    end

    def receive_data_chunk(lines)
      @message.lines.concat(lines)
    end

    def receive_message
      self.class.messages << @message
    end

    def connection_ended
      self.class.ended = true
    end
  end

  def setup
    @inbox = Class.new(Inbox)
  end

  # Raises in the hook that its class specifies.
  class Faulty < EM::P::SmtpServer
    class << self
      attr_accessor :hook
    end

    %i[receive_ehlo_domain receive_sender receive_recipient receive_data_command receive_data_chunk receive_message].each do |name|
      define_method(name) do |*arguments|
        raise "mine" if self.class.hook == name && arguments.none? { |argument| argument == "<good>" }

        true
      end
    end
  end

  FAILED = "451 Requested action aborted: local error in processing"

  { receive_sender: [220, 250, 451, 503, 503, 503, 500, 500, 250, 221], receive_recipient: [220, 250, 250, 451, 250, 354, 250, 250, 221],
    receive_data_command: [220, 250, 250, 250, 250, 451, 500, 500, 250, 221], receive_data_chunk: [220, 250, 250, 250, 250, 354, 451, 250, 221],
    receive_message: [220, 250, 250, 250, 250, 354, 451, 250, 221] }.each do |hook, codes|
    define_method("test_each_command_gets_its_reply_though_#{hook}_raises") do
      Faulty.hook = hook
      errors = []
      EM.error_handler { |error| errors << error.message }
      replies = nil
      reactor do
        talk(port_of(EM.start_server("127.0.0.1", 0, Faulty))) do |socket|
          socket.write("HELO me\r\nMAIL FROM:<a>\r\nRCPT TO:<bad>\r\nRCPT TO:<good>\r\nDATA\r\ntext\r\n.\r\nNOOP\r\nQUIT\r\n")
          replies = socket.read.lines
        end
      end
      assert_equal codes, replies.map(&:to_i)
      assert_equal ["mine"], errors
      assert_equal FAILED, replies.map(&:chomp).grep(/\A451/).first
    ensure
      EM.error_handler(nil)
    end
  end

  def test_a_message_arrives
    result = deliver(from: "me@example.com", to: %w[you@example.com nobody@example.com], header: { "Subject" => "x" }, body: "Not much.\r\n.\r\n")
    assert_equal [:receive_message_response, 250, ["Message accepted"]], [result.responder, result.code, result.message]
    assert_equal [["you@example.com", 250], ["nobody@example.com", 550]], result.rcpt_responses.map { |it| it.first(2) }
    assert_equal [["<me@example.com>", ["<you@example.com>"], ["Subject: x", "", "Not much.", "."]]], @inbox.messages.map(&:to_a)
  end

  def test_authentication
    @inbox.parms = { auth: :required, auth_in_clear: true }
    assert_equal 250, deliver(auth: { type: :plain, username: "ann", password: "secret" }).code
    assert_equal [:receive_auth_response, 535], deliver(auth: { type: :plain, username: "ann", password: "wrong" }).to_h.values_at(:responder, :code)
    assert_equal [:receive_mail_from_response, 550], deliver.to_h.values_at(:responder, :code)
    assert_equal 1, @inbox.messages.size
  end

  def test_a_long_message_arrives_byte_for_byte
    random = Random.new(1)
    lines = Array.new(20_000) { (random.bytes(random.rand(80)).tr("\r\n", "..")) }
    assert_equal 250, deliver(message: lines.join("\r\n")).code
    assert_equal lines, @inbox.messages.first.lines
  end

  def test_a_message_over_the_size_is_refused
    @inbox.define_method(:max_message_size) { 1000 }
    assert_equal [:receive_message_response, 552], deliver(body: "x\r\n" * 1000).to_h.values_at(:responder, :code)
  end

  def test_many_messages_at_once
    results = deliver_all(Array.new(50) { |i| { body: "#{i}\r\n" } })
    assert_equal [250] * 50, results.map(&:code)
    assert_equal Array.new(50, &:to_s).sort, @inbox.messages.map { |it| it.lines.last }.sort
  end

  def test_connecting_to_a_closed_port
    result = outcome_of(closed_port)
    assert_equal [nil, nil, nil], [result.responder, result.code, result.message]
    assert_kind_of Float, result.elapsed_time
  end

  def test_a_silent_server_is_given_up
    silent = listener
    result = outcome_of(silent.addr[1], timeout: 0.05)
    assert_nil result.code
  end

  def test_the_port_is_written_back
    args = { host: "127.0.0.1", from: "a@b", to: "c@d" }
    reactor do
      client = EM::P::SmtpClient.send(args)
      assert_kind_of EM::P::SmtpClient, client
      EM.stop
    end
    assert_equal 25, args[:port]
  end

  def test_the_block_of_start_server_runs_before_the_greeting
    said = with_server(->(inbox) { inbox.define_singleton_method(:get_server_greeting) { "configured" } }) do |socket|
      socket.write("NOOP\r\nQUIT\r\n")
      socket.read
    end
    assert_equal "220 configured\r\n250 Ok\r\n221 Ok\r\n", said
    assert @inbox.ended
  end

  def test_a_silent_client_gets_a_reply_and_is_disconnected
    time_out_soon
    started = now
    said = with_server(&:read)
    assert_equal "220 EventMachine SMTP Server\r\n421 Timeout, closing connection\r\n", said
    assert_operator now - started, :>=, 0.1
  end

  def test_a_client_that_waits_for_the_server_is_not_silent
    time_out_soon
    decision = nil
    timeouts = 0
    @inbox.define_method(:receive_message) { decision = EM::DefaultDeferrable.new }
    @inbox.define_method(:smtp_start_inactivity_timer) do |seconds|
      timeouts += 1 if decision
      super(seconds)
    end
    said = with_server do |socket|
      socket.write("MAIL FROM:<a>\r\nRCPT TO:<b>\r\nDATA\r\n.\r\n")
      4.times { socket.gets }
      wait_until { timeouts > 2 }
      EM.next_tick { decision.succeed }
      [socket.gets, socket.read]
    end
    assert_equal ["250 Message accepted\r\n", "421 Timeout, closing connection\r\n"], said
  end

  def test_input_pipelined_behind_a_pending_decision_is_read_later
    decision = nil
    @inbox.define_method(:receive_sender) { |_| decision = EM::DefaultDeferrable.new }
    said = with_server(->(inbox) { inbox.max_commands = Float::INFINITY }) do |socket|
      writer = Thread.new { socket.write("MAIL FROM:<a>\r\n#{"NOOP\r\n" * 100_000}QUIT\r\n") }
      wait_until { decision }
      EM.next_tick { decision.fail }
      answer = socket.read
      writer.join
      answer
    end
    assert_equal "220 EventMachine SMTP Server\r\n550 sender is unacceptable\r\n#{"250 Ok\r\n" * 100_000}221 Ok\r\n", said
  end

  def test_a_client_that_disconnects_while_a_decision_is_pending
    decision = EM::DefaultDeferrable.new
    @inbox.define_method(:receive_sender) { |_| decision }
    with_server do |socket|
      socket.write("MAIL FROM:<a>\r\n")
      socket.gets
      socket.close
      wait_until { @inbox.ended }
      EM.next_tick { decision.succeed }
    end
    assert @inbox.ended
  end

  private

  def deliver(**message)
    deliver_all([message]).first
  end

  def deliver_all(messages)
    results = []
    reactor do
      port = port_of(EM.start_server("127.0.0.1", 0, @inbox))
      messages.each { |message| send_to(port, message) { |result| (results << result).size == messages.size and EM.stop } }
    end
    results
  end

  def outcome_of(port, **message)
    outcome = nil
    reactor { send_to(port, message) { |result| (outcome = result) && EM.stop } }
    outcome
  end

  def send_to(port, message, &block)
    client = EM::P::SmtpClient.send({ host: "127.0.0.1", port: port, domain: "here", from: "a@b", to: "c@d" }.merge(message))
    client.callback(&block)
    client.errback(&block)
  end

  def time_out_soon
    @inbox.define_method(:inactivity_timeout) { 0.1 }
  end

  # Talks, in a thread, to a server with configured connections.
  def with_server(configure = nil, &conversation)
    value = nil
    reactor do
      port = port_of(EM.start_server("127.0.0.1", 0, @inbox) { |inbox| configure&.call(inbox) })
      value = talk(port, &conversation)
    end
    value.value
  end
end
