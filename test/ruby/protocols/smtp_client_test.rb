# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "test_helper"
require "support/segmentation"
require "support/smtp_stand_ins"

# The client's side of the dialogue, and its outcome.
class SmtpClientTest < Minitest::Test
  include Segmentation
  include SmtpStandIns

  GREETING = "220 hello\r\n"
  OK = "250 ok\r\n"
  PLAIN = { type: :plain, username: "user", password: "secret" }.freeze
  CREDENTIALS = "AUTH PLAIN AHVzZXIAc2VjcmV0\r\n"

  def test_it_includes_line_text_2_and_deferrable
    assert_kind_of EM::P::LineText2, smtp_client.first
    assert_kind_of EM::Deferrable, smtp_client.first
  end

  def test_a_message_is_sent_step_by_step
    client, outcomes = smtp_client(to: %w[c@d e@f])
    steps = { GREETING => "EHLO here\r\n", "250-x\r\n250 SIZE\r\n" => "MAIL FROM:<a@b>\r\n", OK => "RCPT TO:<c@d>\r\n",
              "250 first\r\n" => "RCPT TO:<e@f>\r\n", "251 second\r\n" => "DATA\r\n",
              "354 go\r\n" => "Subject: x\r\n\r\ntext\r\n.\r\n", "250-queued\r\n250 as 1\r\n" => "QUIT\r\n" }
    steps.each { |reply, command| assert_equal command, client.hear(reply) }
    assert_predicate client, :closed?
    assert_outcome outcomes, :succeeded, :receive_message_response, 250, ["queued", "as 1"]
    assert_equal [["c@d", 250, ["first"]], ["e@f", 251, ["second"]]], outcomes.first.last.rcpt_responses
  end

  def test_an_endless_reply_line_ends_the_session
    client, outcomes = smtp_client
    client.hear(GREETING)
    100.times { client.receive_data("2" * 9999) unless client.closed? }
    assert_predicate client, :closed?
    assert_equal [:failed, "overlength line"], [outcomes.first.first, outcomes.first.last.message]
  end

  def test_a_password_callable_that_raises_fails_the_message_and_its_exception_is_passed_on
    client, outcomes = smtp_client(auth: PLAIN.merge(password: -> { raise IOError, "no key" }))
    client.hear(GREETING)
    assert_raises(IOError) { client.receive_data(OK) }
    assert_equal [:failed, "no password"], [outcomes.first.first, outcomes.first.last.message]
    assert_predicate client, :closed?
  end

  def test_an_invalid_timeout_is_refused_before_connecting
    error = assert_raises(ArgumentError) { EM::P::SmtpClient.send(host: "127.0.0.1", to: "a@b", timeout: :a) }
    assert_match(/:timeout/, error.message)
  end

  def test_the_outcome_is_an_open_struct_and_stays_as_it_is
    client, outcomes = smtp_client
    client.hear(GREETING, OK, OK, OK, "354 go\r\n", OK)
    result = outcomes.first.last
    assert_kind_of OpenStruct, result
    assert_kind_of Time, result.start_time
    assert_kind_of Float, result.elapsed_time
    client.receive_data("421 bye\r\n")
    client.unbind
    assert_equal [[:succeeded, result]], outcomes
    assert_equal ["ok"], result.message
  end

  def test_it_is_the_same_at_every_split
    replies = "#{GREETING}250-x\r\n250-y z\r\n250\r\n250 ok\r\n550-no\r\n550 way\r\n"
    assert_same_at_every_split(replies) do |pieces|
      client, outcomes = smtp_client
      [client.hear(*pieces), outcomes.map { |status, result| [status, result.responder, result.code, result.message] }]
    end
  end

  { receive_signon: ["554 no\r\n"], receive_ehlo_response: [GREETING, "554 no\r\n"], receive_mail_from_response: [GREETING, OK, "554 no\r\n"],
    receive_rcpt_to_response: [GREETING, OK, OK, "554 no\r\n"], receive_data_response: [GREETING, OK, OK, OK, "554 no\r\n"],
    receive_message_response: [GREETING, OK, OK, OK, "354 go\r\n", "554 no\r\n"] }.each do |responder, replies|
    define_method("test_a_refusal_in_#{responder}_fails_and_quits") do
      client, outcomes = smtp_client
      replies[0...-1].each { |reply| client.hear(reply) }
      assert_equal "QUIT\r\n", client.hear(replies.last)
      assert_predicate client, :closed?
      assert_outcome outcomes, :failed, responder, 554, ["no"]
    end
  end

  def test_malformed_replies_fail
    ["hello\r\n", "\r\n", "25\r\n", "\xff\0\r\n"].each do |reply|
      client, outcomes = smtp_client
      assert_equal "QUIT\r\n", client.hear(reply)
      assert_equal [:failed, 0], [outcomes.first.first, outcomes.first.last.code]
    end
  end

  def test_a_reply_to_data_that_is_not_3xx_is_a_failure
    client, outcomes = smtp_client
    client.hear(GREETING, OK, OK, OK)
    assert_equal "QUIT\r\n", client.hear(OK)
    assert_outcome outcomes, :failed, :receive_data_response, 250, ["ok"]
  end

  def test_a_refused_recipient_does_not_stop_the_message
    client, outcomes = smtp_client(to: %w[bad@d good@d worse@d])
    assert_equal "DATA\r\n", client.tap { client.hear(GREETING, OK, OK, "550 unknown\r\n", OK) }.hear("553 what\r\n")
    client.hear("354 go\r\n", OK)
    assert_equal [["bad@d", 550, ["unknown"]], ["good@d", 250, ["ok"]], ["worse@d", 553, ["what"]]], outcomes.first.last.rcpt_responses
    assert_equal :succeeded, outcomes.first.first
  end

  def test_no_message_is_sent_if_all_recipients_are_refused
    client, outcomes = smtp_client(to: %w[x@d y@d])
    client.hear(GREETING, OK, OK, "550 one\r\n")
    assert_equal "QUIT\r\n", client.hear("551 two\r\n")
    assert_outcome outcomes, :failed, :receive_rcpt_to_response, 551, ["two"]
  end

  def test_with_pipelining_everything_is_sent_in_two_pieces
    client, outcomes = smtp_client(to: %w[x@d y@d])
    client.hear(GREETING)
    assert_equal "MAIL FROM:<a@b>\r\nRCPT TO:<x@d>\r\nRCPT TO:<y@d>\r\nDATA\r\n", client.hear("250-x\r\n250-pipelining\r\n250 SIZE 1\r\n")
    assert_equal "", client.hear("250 a\r\n550 b\r\n", "250 c\r\n")
    assert_equal "Subject: x\r\n\r\ntext\r\n.\r\nQUIT\r\n", client.hear("354 go\r\n")
    assert_equal "", client.hear("250 queued\r\n221 bye\r\n")
    assert_predicate client, :closed?
    assert_outcome outcomes, :succeeded, :receive_message_response, 250, ["queued"]
    assert_equal [["x@d", 550, ["b"]], ["y@d", 250, ["c"]]], outcomes.first.last.rcpt_responses
  end

  def test_refusals_are_the_same_with_pipelining
    { "550 a\r\n503 b\r\n503 c\r\n503 d\r\n" => [:receive_mail_from_response, 550, ["a"]],
      "250 a\r\n550 b\r\n551 c\r\n503 d\r\n" => [:receive_rcpt_to_response, 551, ["c"]],
      "250 a\r\n550 b\r\n551 c\r\n354 odd\r\n" => [:receive_rcpt_to_response, 551, ["c"]],
      "250 a\r\n250 b\r\n250 c\r\n451 d\r\n" => [:receive_data_response, 451, ["d"]] }.each do |replies, outcome|
      client, outcomes = smtp_client(to: %w[x@d y@d])
      client.hear(GREETING, "250-x\r\n250 PIPELINING\r\n")
      assert_equal "QUIT\r\n", client.hear(replies)
      assert_outcome outcomes, :failed, *outcome
    end
  end

  def test_plain_authentication
    client, = smtp_client(auth: PLAIN)
    client.hear(GREETING)
    assert_equal CREDENTIALS, client.hear(OK)
    assert_equal "MAIL FROM:<a@b>\r\n", client.hear("235 welcome\r\n")
  end

  def test_the_password_may_be_a_callable_that_is_called_when_needed
    called = 0
    client, = smtp_client(auth: PLAIN.merge(password: -> { (called += 1) && "secret" }))
    client.hear(GREETING)
    assert_equal 0, called
    assert_equal CREDENTIALS, client.hear(OK)
    assert_equal 1, called
    client, outcomes = smtp_client(auth: PLAIN.merge(password: -> { "a\0b" }))
    assert_equal "EHLO here\r\nQUIT\r\n", client.hear(GREETING, OK)
    assert_equal 900, outcomes.first.last.code
  end

  def test_long_credentials_are_on_one_line
    client, = smtp_client(auth: PLAIN.merge(password: "x" * 300))
    client.hear(GREETING)
    assert_equal 1, client.hear(OK).count("\n")
  end

  def test_an_unknown_auth_type_is_an_internal_error
    client, outcomes = smtp_client(auth: PLAIN.merge(type: :magic))
    client.hear(GREETING)
    assert_equal "QUIT\r\n", client.hear(OK)
    assert_outcome outcomes, :failed, :receive_ehlo_response, 900, "unsupported auth type"
  end

  def test_refused_authentication_sends_no_message
    client, outcomes = smtp_client(auth: PLAIN)
    client.hear(GREETING, OK)
    assert_equal "QUIT\r\n", client.hear("535 no\r\n")
    assert_outcome outcomes, :failed, :receive_auth_response, 535, ["no"]
  end

  def test_after_starttls_the_session_starts_again
    client, outcomes = smtp_client(type: TlsClient, starttls: { verify_peer: true }, auth: PLAIN)
    client.hear(GREETING)
    assert_equal "STARTTLS\r\n", client.hear("250-x\r\n250 PIPELINING\r\n")
    assert_equal "", client.hear("220 go\r\n")
    assert_equal({ verify_peer: true }, client.tls_options)
    assert_equal "EHLO here\r\n", client.tap(&:ssl_handshake_completed).taken
    assert_equal CREDENTIALS, client.hear(OK)
    assert_equal "MAIL FROM:<a@b>\r\n", client.hear("235 welcome\r\n"), "PIPELINING was offered in the clear only"
    client.hear(OK, OK, "354 go\r\n", OK)
    assert_equal :succeeded, outcomes.first.first
  end

  def test_replies_injected_before_tls_end_the_session
    client, outcomes = smtp_client(type: TlsClient, starttls: true, auth: PLAIN)
    client.hear(GREETING, OK)
    assert_equal "QUIT\r\n", client.hear("220 go\r\n250 forged\r\n")
    assert_equal [:failed, 900, "data before TLS started"], [outcomes[0][0], outcomes[0][1].code, outcomes[0][1].message]
  end

  def test_an_unfinished_line_injected_before_tls_is_dropped
    client, outcomes = smtp_client(type: TlsClient, starttls: true)
    client.hear(GREETING, OK, "220 go\r\n554 forg")
    client.ssl_handshake_completed
    assert_equal "MAIL FROM:<a@b>\r\n", client.tap(&:taken).hear(OK)
    assert_empty outcomes
  end

  def test_with_starttls_nothing_is_sent_without_tls
    client, outcomes = smtp_client(type: TlsClient, starttls: true, auth: PLAIN)
    client.hear(GREETING, OK)
    assert_equal "QUIT\r\n", client.hear("454 later\r\n")
    assert_outcome outcomes, :failed, :receive_starttls_response, 454, ["later"]
    client, outcomes = smtp_client(starttls: true, auth: PLAIN)
    client.hear(GREETING)
    assert_equal "QUIT\r\n", client.hear(OK)
    assert_outcome outcomes, :failed, :receive_ehlo_response, 900, "TLS is not available"
  end

  def test_a_server_without_ehlo_is_greeted_with_helo_unless_tls_or_auth_is_needed
    [500, 502].each do |code|
      client, outcomes = smtp_client
      client.hear(GREETING)
      assert_equal "HELO here\r\n", client.hear("#{code} what?\r\n")
      assert_equal "MAIL FROM:<a@b>\r\n", client.hear(OK)
      assert_empty outcomes
    end
    [{ starttls: true }, { auth: PLAIN }].each do |wish|
      client, outcomes = smtp_client(type: TlsClient, **wish)
      client.hear(GREETING)
      assert_equal "QUIT\r\n", client.hear("500 what?\r\n")
      assert_outcome outcomes, :failed, :receive_ehlo_response, 500, ["what?"]
    end
  end

  def test_connection_lost_before_any_reply
    client, outcomes = smtp_client
    client.unbind(Errno::ECONNREFUSED)
    assert_outcome outcomes, :failed, nil, nil, nil
  end

  def test_connection_lost_between_replies_reports_the_last_code
    client, outcomes = smtp_client
    client.hear(GREETING, OK)
    client.unbind
    assert_outcome outcomes, :failed, :receive_ehlo_response, 250, []
  end

  def test_the_end_after_a_refusal_sets_the_same_outcome_again
    client, outcomes = smtp_client
    client.hear("554 no\r\n")
    client.unbind
    again = nil
    client.errback { |result| again = result }
    assert_same outcomes.first.last, again
    assert_equal 1, outcomes.size
  end

  def test_replies_are_limited
    client, outcomes = smtp_client
    client.hear("220-x\r\n" * 1001)
    assert_equal "too many lines in a reply", outcomes.first.last.message
    assert_predicate client, :closed?
    client, outcomes = smtp_client
    client.max_line_length = 100
    client.hear("220 #{'x' * 95}\r\n")
    assert_equal "overlength line", outcomes.first.last.message
  end

  def test_verbose_prints_lines_and_steps
    client, = smtp_client(verbose: true)
    output, = capture_io { client.hear(GREETING) }
    assert_equal "220 hello\nreceive_signon\n", output
  end

  private

  def assert_outcome(outcomes, status, responder, code, message)
    assert_equal [[status, responder, code, message]], outcomes.map { |it, result| [it, result.responder, result.code, result.message] }
  end
end
