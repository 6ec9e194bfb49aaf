# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "test_helper"
require "support/smtp_stand_ins"

# The server's reply to each command.
class SmtpServerRepliesTest < Minitest::Test
  include SmtpStandIns

  MAIL = "EHLO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n"
  FIRST = "250-Ok EventMachine SMTP Server\r\n"
  LAST = "250-NO-SOLICITING\r\n250-PIPELINING\r\n250 SIZE 20000000\r\n"
  CLEAR = { auth: true, auth_in_clear: true }.freeze

  def test_it_includes_line_text_2
    assert_kind_of EM::P::LineText2, smtp_server
  end

  def test_the_reply_to_ehlo_lists_the_extensions
    assert_reply "#{FIRST}#{LAST}", "EHLO x"
    assert_reply "#{FIRST}250-STARTTLS\r\n#{LAST}", "EHLO x", { starttls: true, auth: true }, type: TlsServer
    assert_reply "#{FIRST}250-AUTH PLAIN\r\n#{LAST}", "EHLO x", CLEAR
    assert_reply "#{FIRST}250-NO-SOLICITING\r\n250-8BITMIME\r\n250 SIZE 20000000\r\n", "EHLO x", { extensions: ["8BITMIME"] }
    assert_reply "550 Requested action not taken\r\n", "EHLO x", receive_ehlo_domain: false
  end

  def test_helo
    assert_reply "250 Ok EventMachine SMTP Server\r\n", "HELO x"
    assert_reply "550 Requested action not taken\r\n", "HELO x", receive_ehlo_domain: false
  end

  def test_the_domain_keeps_trailing_blanks
    server = smtp_server
    server.hear("EHLO  me  \r\n")
    assert_equal [:receive_ehlo_domain, "me  "], server.noted.first
  end

  def test_an_infinite_size_limit_is_announced_as_zero
    server = smtp_server
    server.max_message_size = Float::INFINITY
    assert_includes server.hear("EHLO x\r\n"), "250 SIZE 0\r\n"
  end

  def test_starttls
    assert_reply "500 Unknown command\r\n", "STARTTLS", type: TlsServer
    assert_reply "503 EHLO required before STARTTLS\r\n", "STARTTLS", { starttls: true }, type: TlsServer
    server = smtp_server({ starttls: true, starttls_options: { sni_hostname: "x" } }, type: TlsServer)
    server.hear("EHLO x\r\n")
    assert_equal "220 Start TLS negotiation\r\n", server.hear("STARTTLS\r\n")
    assert_equal({ sni_hostname: "x" }, server.tls_options)
    assert_equal "503 TLS Already negotiated\r\n", server.hear("STARTTLS\r\n")
  end

  def test_tls_is_not_offered_where_connections_cannot_start_it
    assert_reply "#{FIRST}#{LAST}", "EHLO x", { starttls: true }
    assert_reply "500 Unknown command\r\n", "STARTTLS", { starttls: true }
    assert_reply "550 This server requires STARTTLS before MAIL FROM\r\n", "MAIL FROM:<a>", { starttls: :required }
  end

  def test_auth
    assert_reply "500 Unknown command\r\n", "AUTH PLAIN AGEAYg=="
    assert_reply "504 auth mechanism not available\r\n", "AUTH LOGIN", CLEAR
    assert_reply "504 auth mechanism not available\r\n", "AUTH CRAM-MD5", CLEAR
    assert_reply "504 auth mechanism not available\r\n", "AUTH PLAINER", CLEAR
    assert_reply "334 \r\n", "AUTH PLAIN", CLEAR
    assert_reply "334 \r\n535 invalid authentication\r\n", "AUTH plain\r\nAGEAYg==", CLEAR
    assert_reply "235 authentication ok\r\n", "AUTH PLAIN AGEAYg==", CLEAR, receive_plain_auth: true
    assert_reply "235 authentication ok\r\n503 auth already issued\r\n", "AUTH PLAIN AGEAYg==\r\nAUTH PLAIN", CLEAR, receive_plain_auth: true
  end

  def test_mail
    assert_reply "550 This server requires STARTTLS before MAIL FROM\r\n", "MAIL FROM:<a>", { starttls: :required }, type: TlsServer
    assert_reply "550 This server requires authentication before MAIL FROM\r\n", "MAIL FROM:<a>", { auth: :required }
    assert_reply "250 Ok\r\n503 MAIL already given\r\n", "MAIL FROM:<a>\r\nMAIL FROM:<a>"
    assert_reply "550 sender is unacceptable\r\n", "MAIL FROM:<a>", receive_sender: false
    assert_reply "552 Message exceeds the maximum size\r\n", "MAIL FROM:<a> SIZE=20000001"
    assert_reply "250 Ok\r\n", "mail from:<a> SIZE=20000000 BODY=8BITMIME"
  end

  def test_rcpt
    assert_reply "503 MAIL is required before RCPT\r\n", "RCPT TO:<a>"
    assert_reply "250 Ok\r\n550 recipient is unacceptable\r\n", "MAIL FROM:<a>\r\nRCPT TO:<a>", receive_recipient: false
    assert_reply "250 Ok\r\n250 Ok\r\n250 Ok\r\n", "MAIL FROM:<a>\r\nRCPT TO:<a>\r\nRcpt To: <b>"
  end

  def test_data
    assert_reply "503 Operation sequence error\r\n", "DATA"
    assert_reply "250 Ok\r\n550 recipient is unacceptable\r\n503 Operation sequence error\r\n",
                 "MAIL FROM:<a>\r\nRCPT TO:<a>\r\nDATA", receive_recipient: false
    assert_ends_in "250 Ok\r\n550 Operation failed\r\n", "#{MAIL}DATA", receive_data_command: false
    assert_ends_in "354 Send it\r\n250 Message accepted\r\n", "#{MAIL}DATA\r\nx\r\n."
    assert_ends_in "354 Send it\r\n550 Message rejected\r\n", "#{MAIL}DATA\r\nx\r\n.", receive_message: false
  end

  def test_rset_noop_vrfy_expn_and_help
    assert_reply "250 Ok\r\n", "RSET"
    assert_reply "250 Ok\r\n", "NOOP"
    assert_reply "250 Ok\r\n", "noop with text"
    assert_reply "502 Command not implemented\r\n", "VRFY a"
    assert_reply "502 Command not implemented\r\n", "EXPN a"
    assert_reply "250 Ok, but unimplemented\r\n", "HELP"
  end

  def test_quit_closes_and_ignores_what_follows
    server = smtp_server
    assert_equal "221 Ok\r\n", server.hear("QUIT\r\nNOOP\r\n", "NOOP\r\n")
    assert_predicate server, :closed?
  end

  def test_other_commands_are_unknown
    ["", "FOO", "AUTH", "VRFY", "EXPN", "DATAXX", "QUITE", "NOOPS", "RSETT", "HELPME", "EHLOx", "MAIL", "MAIL TO:<a>", "\xff\xfe",
     "NOOP \0", "MAIL FROM:<a>\rRCPT TO:<b>"].each { |line| assert_reply "500 Unknown command\r\n", line, CLEAR }
  end

  def test_a_line_may_end_in_lf_outside_of_messages
    assert_equal "250 Ok\r\n250 Ok\r\n", smtp_server.hear("NOOP\nNOOP\n")
  end

  def test_greeting_and_domain_must_be_one_line
    [[:get_server_domain, "EHLO x"], [:get_server_domain, "HELO x"]].each do |hook, command|
      server = smtp_server
      server.define_singleton_method(hook) { "a\r\n250 b" }
      assert_raises(ArgumentError) { server.hear("#{command}\r\n") }
    end
    server = smtp_server
    server.define_singleton_method(:get_server_greeting) { "a\nb" }
    assert_raises(ArgumentError) { server.send_server_greeting }
  end

  private

  def assert_reply(expected, lines, parms = {}, type: Server, **decisions)
    assert_equal expected, smtp_server(parms, type: type, **decisions).hear("#{lines}\r\n"), lines
  end

  def assert_ends_in(expected, lines, **decisions)
    assert_equal expected, smtp_server(**decisions).hear("#{lines}\r\n")[-expected.bytesize..]
  end
end
