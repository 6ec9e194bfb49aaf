# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "test_helper"
require "support/segmentation"
require "support/smtp_stand_ins"

# A session with the server: its hooks and their order, when its state is reset, deferred decisions, and the limits.
class SmtpServerSessionTest < Minitest::Test
  include Segmentation
  include SmtpStandIns

  ENVELOPE = "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n"
  MESSAGE = "#{ENVELOPE}DATA\r\ntext\r\n.\r\n"
  OK = "250 Ok\r\n"
  ACCEPTED = "#{OK}#{OK}354 Send it\r\n250 Message accepted\r\n"
  LOGIN = "AUTH PLAIN AGEAYg==\r\n"
  CLEAR = { auth: :required, auth_in_clear: true }.freeze

  def test_the_hooks_are_called_in_order_with_the_clients_input
    server = smtp_server
    server.hear("EHLO me\r\nMAIL FROM: <a@b> SIZE=1\r\nRCPT TO:<c@d>\r\nDATA\r\ntext\r\n.\r\nRSET\r\n")
    server.unbind
    assert_equal [[:receive_ehlo_domain, "me"], [:receive_transaction], [:receive_sender, "<a@b> SIZE=1"], [:receive_recipient, "<c@d>"],
                  [:receive_data_command], [:receive_data_chunk, ["text"]], [:receive_message], [:receive_transaction],
                  [:receive_transaction], [:receive_reset], [:connection_ended]], server.noted
  end

  def test_the_empty_sender_is_accepted
    server = smtp_server
    assert_equal OK, server.hear("MAIL FROM:<>\r\n")
    assert_equal [:receive_sender, "<>"], server.noted.last
  end

  def test_paths_can_be_parsed
    { "<a@b>" => ["a@b", {}], "<> BODY=8BITMIME SMTPUTF8" => ["", { "BODY" => "8BITMIME", "SMTPUTF8" => true }],
      "a@b size=5" => ["a@b", { "SIZE" => "5" }], "<\"x> y\"@b> A=b=c" => ["\"x> y\"@b", { "A" => "b=c" }], "" => ["", {}],
      "<a" => ["a", {}], "<a> =" => ["a", { "=" => true }] }.each do |raw, expected|
      assert_equal expected, EM::P::SmtpServer.parse_path(raw)
    end
  end

  def test_two_messages_are_accepted_and_authentication_is_for_both
    server = smtp_server(CLEAR, receive_plain_auth: true)
    assert_equal "235 authentication ok\r\n#{ACCEPTED}#{ACCEPTED}", server.hear("#{LOGIN}#{MESSAGE}#{MESSAGE}")
  end

  def test_rset_ehlo_and_helo_forget_the_message_only
    ["RSET\r\n", "EHLO x\r\n", "HELO x\r\n"].each do |command|
      server = smtp_server(CLEAR, receive_plain_auth: true)
      server.hear("EHLO x\r\n#{LOGIN}#{ENVELOPE}")
      server.hear(command)
      assert_equal "503 MAIL is required before RCPT\r\n#{ACCEPTED}", server.hear("RCPT TO:<a>\r\n#{MESSAGE}")
    end
  end

  def test_nobody_is_authenticated_by_default
    server = EM::P::SmtpServer.allocate
    refute server.receive_plain_auth("a", "b")
  end

  def test_authentication_is_neither_offered_nor_accepted_in_the_clear
    server = smtp_server({ auth: true }, type: TlsServer, receive_plain_auth: true)
    refute_includes server.hear("EHLO x\r\n"), "AUTH"
    assert_equal "538 Encryption required for authentication\r\n", server.hear(LOGIN)
    refute_includes server.noted.map(&:first), :receive_plain_auth
  end

  def test_authentication_is_offered_under_tls
    server = smtp_server({ auth: :required, starttls: true }, type: TlsServer, receive_plain_auth: true)
    server.hear("EHLO x\r\nSTARTTLS\r\n")
    assert_includes server.hear("EHLO x\r\n"), "250-AUTH PLAIN\r\n"
    assert_equal "235 authentication ok\r\n#{ACCEPTED}", server.hear("#{LOGIN}#{MESSAGE}")
  end

  def test_credentials_are_the_second_and_third_part
    { ["x\0user\0pass"] => %w[user pass], ["\0a\0"] => ["a", ""], ["\0\xC3\xA9\0p w"] => ["\xC3\xA9".b, "p w"] }.each do |(text), expected|
      server = smtp_server(CLEAR)
      assert_equal "535 invalid authentication\r\n", server.hear("AUTH PLAIN #{[text].pack('m0')}\r\n")
      assert_equal [:receive_plain_auth, *expected], server.noted.last
    end
  end

  def test_malformed_credentials_do_not_reach_the_hook
    bad = ["*", "=", "A", "not base64", "AGEAYg", "AGEAYg==x", *["user", "\0user", "a\0b\0c\0d", "\0\0pass", "\0us\ner\0p", "\0u\0p\r\n"].map { |it| [it].pack("m0") }]
    bad.each do |response|
      server = smtp_server(CLEAR)
      assert_match(/\A334 \r\n501 [^\r\n]*\r\n250 Ok\r\n\z/, server.hear("AUTH PLAIN\r\n#{response}\r\nNOOP\r\n"), response)
      assert_match(/\A501 [^\r\n]*\r\n\z/, server.hear("AUTH PLAIN #{response}\r\n"), response)
      assert_empty server.noted
    end
  end

  def test_authentication_does_not_happen_in_the_middle_of_a_message
    assert_equal "#{OK}503 Operation sequence error\r\n", smtp_server({ auth: true, auth_in_clear: true }).hear("MAIL FROM:<a>\r\n#{LOGIN}")
  end

  def test_input_received_in_the_clear_is_dropped_when_tls_starts
    ["", "MAIL FROM:<evil>\r\n", "MAIL FROM:<ev", "EHLO x\r\nMAIL FROM:<evil>\r\nRCPT"].each do |injected|
      server = smtp_server({ starttls: true }, type: TlsServer)
      server.hear("EHLO x\r\n#{ENVELOPE}")
      assert_equal "220 Start TLS negotiation\r\n", server.hear("STARTTLS\r\n#{injected}")
      assert_equal "503 MAIL is required before RCPT\r\n", server.hear("RCPT TO:<c@d>\r\n"), injected
      assert_includes server.noted, [:receive_reset]
      refute_includes server.noted, [:receive_sender, "<evil>"]
    end
  end

  def test_authentication_is_forgotten_when_tls_starts
    server = smtp_server(CLEAR.merge(starttls: true), type: TlsServer, receive_plain_auth: true)
    server.hear("EHLO x\r\n#{LOGIN}STARTTLS\r\n")
    assert_match(/\A550 This server requires auth/, server.hear(ENVELOPE))
  end

  def test_every_decision_may_be_deferred_and_replies_keep_their_order
    { receive_plain_auth: "AUTH PLAIN AGEAYg==\r\n", receive_sender: "MAIL FROM:<a>\r\n", receive_recipient: "RCPT TO:<b>\r\n",
      receive_data_command: "DATA\r\n", receive_message: "x\r\n.\r\n" }.each_key do |hook|
      [true, false].each { |accepted| assert_in_order(hook, accepted) }
    end
  end

  def test_an_object_like_a_deferrable_is_accepted
    decision = Object.new
    decision.define_singleton_method(:callback) { |&block| @callback = block }
    decision.define_singleton_method(:errback) { |&block| @errback = block }
    decision.define_singleton_method(:call) { @callback.call }
    server = smtp_server(receive_data_command: decision)
    assert_equal OK * 2, server.hear("#{ENVELOPE}DATA\r\n")
    assert_equal "354 Send it\r\n", server.tap { decision.call }.taken
  end

  def test_a_deferrable_that_has_its_outcome_already_works
    done = EM::DefaultDeferrable.new.tap(&:succeed)
    assert_equal ACCEPTED * 2, smtp_server(receive_sender: done, receive_recipient: done, receive_message: done).hear(MESSAGE * 2)
  end

  def test_a_decision_after_the_close_sends_nothing
    decision = EM::DefaultDeferrable.new
    server = smtp_server(receive_message: decision)
    server.hear(MESSAGE)
    server.unbind
    decision.succeed
    assert_empty server.taken
  end

  def test_reading_is_paused_while_much_input_waits
    decision = EM::DefaultDeferrable.new
    server = smtp_server(receive_sender: decision)
    server.hear("MAIL FROM:<a>\r\n", "NOOP\r\n" * 1000)
    refute server.held_back
    server.hear("NOOP\r\n" * 12_000)
    assert server.held_back
    server.max_commands = Float::INFINITY
    decision.succeed
    refute server.held_back
    assert_equal OK * 13_001, server.taken
  end

  def test_a_command_may_have_512_bytes_and_auth_2048
    assert_equal OK, smtp_server.hear("#{'NOOP '.ljust(510, 'x')}\r\n")
    assert_equal "500 Line too long\r\n#{OK}", smtp_server.hear("#{'NOOP '.ljust(511, 'x')}\r\nNOOP\r\n")
    assert_equal "500 Line too long\r\n#{OK}", smtp_server(CLEAR).hear("#{'NOOP '.ljust(511, 'x')}\r\nNOOP\r\n")
    assert_match(/\A501/, smtp_server(CLEAR).hear("#{'AUTH PLAIN '.ljust(2046, 'x')}\r\n"))
    assert_equal "500 Line too long\r\n", smtp_server(CLEAR).hear("#{'AUTH PLAIN '.ljust(2047, 'x')}\r\n")
    assert_match(/\A334 \r\n501/, smtp_server(CLEAR).hear("AUTH PLAIN\r\n#{'x' * 2046}\r\n"))
    assert_equal "334 \r\n500 Line too long\r\n#{OK}", smtp_server(CLEAR).hear("AUTH PLAIN\r\n#{'x' * 2047}\r\nNOOP\r\n")
  end

  def test_recipients_are_limited
    server = smtp_server
    server.max_recipients = 2
    assert_equal "#{OK * 3}452 Too many recipients\r\n354 Send it\r\n", server.hear("MAIL FROM:<a>\r\n#{"RCPT TO:<b>\r\n" * 3}DATA\r\n")
  end

  def test_commands_without_an_accepted_message_are_limited
    server = smtp_server
    server.max_commands = 4
    assert_equal ACCEPTED * 5, server.hear(MESSAGE * 5)
    assert_equal "#{OK * 4}421 Too many commands\r\n", server.hear("NOOP\r\n" * 9)
    assert_predicate server, :closed?
  end

  def test_a_client_that_reads_no_replies_is_disconnected
    server = smtp_server
    server.max_unread_replies = 100
    100.times { server.receive_data("NOOP\r\n") }
    assert_predicate server, :closed?
    assert_operator server.sent.bytesize, :<, 200
  end

  def test_classes_and_connections_have_separate_parameters
    parent = Class.new(EM::P::SmtpServer)
    child = Class.new(parent)
    child.parms = { chunksize: 1 }
    parent.parms = { chunksize: 2, auth: true }
    assert_equal [4000, 2, 1], [EM::P::SmtpServer, parent, child].map { |type| type.parms[:chunksize] }
    assert child.parms[:auth]
    connection = Unconnected.new_of(child)
    connection.parms = { chunksize: 3 }
    assert_equal [3, 1, 1], [connection, Unconnected.new_of(child), child].map { |it| it.parms[:chunksize] }
    assert_raises(ArgumentError) { connection.parms = { chunksize: 0 } }
  end

  def test_the_same_at_every_split
    input = "EHLO x\r\n#{LOGIN}AUTH PLAIN\r\nAGEAYg==\r\n#{ENVELOPE}DATA\r\n..a\r\n\r\nb.\r\n.\r\nbad\r\nRSET\r\nMAIL FROM:<>\r\nQUIT\r\nNOOP\r\n"
    assert_same_at_every_split(input) do |pieces|
      server = smtp_server({ auth: true, auth_in_clear: true })
      [server.hear(*pieces), server.noted]
    end
  end

  private

  # Pipelines a session while the hook's decision is pending, and then makes the decision.
  def assert_in_order(hook, accepted)
    undecided = EM::DefaultDeferrable.new
    server = smtp_server({ auth: true, auth_in_clear: true }, receive_plain_auth: true, hook => undecided)
    pipelined = "#{LOGIN}#{MESSAGE}QUIT\r\n"
    before = server.hear(*pieces_of(pipelined, 7))
    accepted ? undecided.succeed : undecided.fail
    immediate = smtp_server({ auth: true, auth_in_clear: true }, receive_plain_auth: true, hook => accepted)
    assert_equal immediate.hear(pipelined), before + server.taken, "#{hook} #{accepted}"
    refute_includes before, "221"
  end
end
