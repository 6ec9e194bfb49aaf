# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "test_helper"
require "support/smtp_stand_ins"

# How the client encodes messages.
class SmtpMessageTest < Minitest::Test
  include SmtpStandIns

  def test_leading_dots_are_escaped
    client, = smtp_client
    client.singleton_class.class_eval { public :escape_leading_dots }
    { "" => "", "x" => "x", "." => "..", "..\r\n" => "...\r\n", "\r\n.\r\n." => "\r\n..\r\n..", "a.b\r\nc." => "a.b\r\nc.",
      "x\n.y" => "x\n..y", "\xE9\r\n.\xE9".b => "\xE9\r\n..\xE9".b }.each do |text, escaped|
      assert_equal escaped, client.escape_leading_dots(text)
    end
  end

  def test_dots_are_escaped_at_the_beginning_of_lines_not_of_pieces
    assert_sends "\r\na..b\r\n.\r\n", header: nil, body: ["a.", ".b"]
    assert_sends "\r\nx\r\n..y\r\n.\r\n", header: nil, body: ["x\r\n", ".y"]
    assert_sends "..a\r\n.\r\n", message: ".a"
    assert_sends "..: x\r\n\r\n.\r\n", header: { "." => "x" }, body: ""
  end

  def test_a_message_ends_in_one_line_end
    assert_sends "a\r\n.\r\n", message: "a"
    assert_sends "a\r\n.\r\n", message: "a\r\n"
    assert_sends "a\r\n\r\n.\r\n", message: "a\r\n\r\n"
    assert_sends ".\r\n", message: ""
  end

  def test_line_ends_of_any_kind_are_sent_as_crlf
    assert_sends "a\r\nb\r\nc\r\nd\r\n\r\ne\r\n.\r\n", message: "a\nb\rc\r\nd\r\r\ne\n"
    assert_sends "a\r\nb\r\n.\r\n", message: ["a\r", "\nb"]
    assert_sends "x: y\r\n\r\na\r\n..\r\nb\r\n.\r\n", header: "x: y\n", body: "a\n.\nb"
    assert_sends "a\r\n..\r\nMAIL FROM:<evil>\r\n.\r\n", message: "a\r.\rMAIL FROM:<evil>"
  end

  def test_headers
    assert_sends "A: 1\r\nB-c: two\r\n\r\nx\r\n.\r\n", header: { "A" => 1, "B-c": "two" }, body: "x"
    assert_sends "A: 1\r\nB: 2\r\n\r\n.\r\n", header: "A: 1\r\nB: 2\r\n", body: nil
    assert_sends "A: 1\r\n\r\nx\r\n.\r\n", header: "A: 1", body: "x"
    assert_sends "A: \u00e9\r\n\r\n\u20ac\r\n.\r\n".b, header: { "A" => "\u00e9" }, body: "\u20ac"
  end

  def test_content_is_sent_unchanged
    assert_sends ".x\n\r\n.\r\n", content: ".x\n\r\n.\r\n"
    assert_sends "a.\r\n.\r\n", content: ["a.", "\r\n.\r\n"]
  end

  def test_message_comes_before_content_and_content_before_header_and_body
    assert_sends "m\r\n.\r\n", message: "m", content: "c", header: {}, body: "b"
    assert_sends "c", content: "c", header: {}, body: "b"
  end

  def test_the_callers_arguments_are_not_modified
    message = { from: "a@b", to: ["c@d"].freeze, header: { "A" => "b" }.freeze, body: ["x\n".freeze, ".\xE9".freeze].freeze }.freeze
    smtp_client(**message)
    assert_equal ["x\n", ".\xE9"], message[:body]
  end

  def test_line_ends_in_arguments_are_refused
    ["a\r\nRCPT TO:<evil>", "a\nb", "a\rb", "a\0b"].each do |evil|
      [{ domain: evil }, { from: evil }, { to: evil }, { to: ["ok@x", evil] }, { header: { "A" => evil } }, { header: { evil => "a" } }].each do |bad|
        assert_raises(ArgumentError, bad.inspect) { smtp_client(**bad) }
      end
    end
  end

  def test_invalid_arguments_are_refused
    [{ from: "<a@b>" }, { from: "a@b> SIZE=1" }, { to: [] }, { to: nil }, { to: "" }, { header: { "" => "x" } }, { header: { "a b" => "x" } },
     { header: { "a:b" => "x" } }, { header: { "A" => %w[1 2] } }, { header: 5 }, { body: 5 }, { body: ["x", 5] }, { content: {} },
     { message: :x }, { auth: "plain" }, { auth: { type: :plain, password: "a\0b" } },
     { auth: { type: :plain, require_tls: true } }].each { |bad| assert_raises(ArgumentError, bad.inspect) { smtp_client(**bad) } }
  end

  def test_arguments_are_checked_before_connecting
    assert_raises(ArgumentError) { EM::P::SmtpClient.send(host: "127.0.0.1", from: "a\nb", to: "x@y") }
  end

  def test_the_empty_sender
    ["", nil].each do |empty|
      client, = smtp_client(from: empty)
      assert_equal "MAIL FROM:<>\r\n", client.tap { client.hear("220 x\r\n") }.hear("250 x\r\n")
    end
  end

  private

  def assert_sends(expected, **message)
    client, = smtp_client(**message)
    client.hear("220 x\r\n", "250 x\r\n", "250 x\r\n", "250 x\r\n")
    assert_equal expected.b, client.hear("354 x\r\n")
  end
end
