# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "test_helper"
require "support/segmentation"
require "support/smtp_stand_ins"

# How the server receives messages.
class SmtpServerTextTest < Minitest::Test
  include Segmentation
  include SmtpStandIns

  ENVELOPE = "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n"
  ACCEPTED = "250 Ok\r\n250 Ok\r\n354 Send it\r\n250 Message accepted\r\n"
  BARE = "554 CR and LF must not stand alone\r\n"

  def test_dots_are_unescaped_once_and_only_at_the_start
    assert_equal [[".", "..x", "a..b", "", "x."]], messages_of("..\r\n...x\r\na..b\r\n\r\nx.\r\n")
    assert_equal [["x", "odd"]], messages_of("x\r\n.odd\r\n")
  end

  def test_any_byte_is_kept
    bytes = ((0..255).to_a - [10, 13]).pack("C*")
    lines = messages_of("#{bytes}\r\n").first
    assert_equal [[bytes, Encoding::BINARY]], lines.map { |line| [line, line.encoding] }
  end

  def test_an_empty_message_delivers_no_chunk
    server = smtp_server
    server.hear("#{ENVELOPE}.\r\n")
    refute_includes server.noted.map(&:first), :receive_data_chunk
    assert_equal [[]], server.messages
  end

  def test_chunks_have_chunksize_plus_one_lines_and_belong_to_the_hook
    server = smtp_server({ chunksize: 2 })
    text = (1..7).map { |i| "#{i}\r\n" }.join
    server.hear("#{ENVELOPE}#{text}.\r\n")
    assert_equal [%w[1 2 3], %w[4 5 6], %w[7]], chunks(server)
    assert_equal 3, chunks(server).map(&:object_id).uniq.size
  end

  def test_a_chunk_that_was_kept_is_not_changed_by_the_next_message
    server = smtp_server
    server.hear("#{ENVELOPE}one\r\n.\r\n", "#{ENVELOPE}two\r\n.\r\n")
    assert_equal [%w[one], %w[two]], chunks(server)
  end

  # Other software might take each of these for the end of the message, and the text that follows for another message.
  ["\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r", "\r.\r\n", "\r\n.\r", ".\r\r\n", "\r\n.\r\r\n", "\n\n.\r\n", "\r\r\n.\r\n"].each do |trick|
    define_method("test_#{trick.inspect}_smuggles_nothing") do
      input = "#{ENVELOPE}one#{trick}MAIL FROM:<evil>\r\nRCPT TO:<evil>\r\nDATA\r\ntwo\r\n.\r\n"
      assert_same_at_every_split(input, seeds: 5) do |pieces|
        server = smtp_server
        assert_equal "250 Ok\r\n250 Ok\r\n354 Send it\r\n#{BARE}", server.hear(*pieces)
        assert_predicate server, :closed?
        assert_empty server.messages
      end
    end

    next if trick.end_with?("\r\n.\r\n") # This ends the message for everybody, even if the text before it is kept.

    define_method("test_#{trick.inspect}_is_text_if_it_is_to_be_kept") do
      input = "#{ENVELOPE}one#{trick}MAIL FROM:<evil>\r\nDATA\r\ntwo\r\n.\r\n"
      result = assert_same_at_every_split(input, seeds: 5) do |pieces|
        server = smtp_server({ bare_line_ends: :keep })
        assert_equal ACCEPTED, server.hear(*pieces)
        assert_equal 1, server.noted.count { |hook,| hook == :receive_sender }
        server.messages
      end
      assert_equal 1, result.size
      assert_includes result.first.join("\r\n"), "MAIL FROM:<evil>"
    end
  end

  def test_a_client_that_ends_its_message_with_lf_gets_a_reply
    assert_equal BARE, after_data("text\n.\n")
    assert_equal BARE, after_data("text\r.\r")
    assert_equal "", after_data("text\r")
  end

  def test_a_line_may_have_a_thousand_bytes
    assert_equal "250 Message accepted\r\n", after_data("#{'x' * 998}\r\n.#{'.' * 998}\r\n.\r\n")
    assert_equal "", after_data("#{'x' * 999}\r\nmore\r\n")
    assert_equal "500 Line too long\r\n250 Ok\r\n", after_data("#{'x' * 999}\r\nMAIL FROM:<evil>\r\n.\r\nNOOP\r\n")
  end

  def test_no_more_of_a_line_is_kept_than_the_limit
    server = smtp_server
    server.hear(ENVELOPE)
    input = server.instance_variable_get(:@smtp_input)
    2000.times do
      server.receive_data("x" * 500)
      assert_operator input.size, :<, 2000
    end
    assert_equal "500 Line too long\r\n", server.hear("\r\n", ".\r\n")
    assert_equal ACCEPTED, server.hear("#{ENVELOPE}ok\r\n.\r\n")
    assert_equal [["ok"]], server.messages
  end

  def test_a_cr_at_the_end_of_dropped_data_still_counts
    [[["x" * 1200, "\r", "\n", ".\r\n"], "500 Line too long\r\n"], [["x" * 1200, "\n", ".\r\n"], BARE]].each do |pieces, reply|
      server = smtp_server
      server.hear(ENVELOPE)
      assert_equal reply, server.hear(*pieces)
    end
  end

  def test_a_message_may_have_the_advertised_size
    text = "#{'x' * 98}\r\n" * 5
    assert_equal "250 Message accepted\r\n", after_data("#{text}.\r\n", max_message_size: 500)
    assert_equal "552 Message exceeds the maximum size\r\n250 Ok\r\n", after_data("#{text}.\r\nNOOP\r\n", max_message_size: 499)
  end

  def test_escaping_dots_do_not_count_at_any_split
    { 49 => "250 Message accepted\r\n", 48 => "552 Message exceeds the maximum size\r\n" }.each do |limit, verdict|
      assert_same_at_every_split("#{ENVELOPE}#{"..345678\r\n" * 5}..3\r\n.\r\n") do |pieces|
        server = smtp_server
        server.max_message_size = limit
        assert_equal verdict, server.hear(*pieces)[-verdict.bytesize..]
      end
    end
  end

  def test_text_checked_line_by_line_is_not_split_again_for_each_line
    cuts = 0
    server = smtp_server({ bare_line_ends: :keep })
    input = server.instance_variable_get(:@smtp_input)
    input.define_singleton_method(:sound?) { |*arguments| (cuts += 1) && super(*arguments) }
    server.hear(ENVELOPE)
    server.hear("#{"line\r\n" * 1000}bare\rcr\r\n.\r\n")
    assert_equal [1001, 1], [server.messages.first.size, cuts]
  end

  def test_a_message_over_the_size_leaves_nothing_behind
    server = smtp_server({ chunksize: 1 })
    server.max_message_size = 100
    server.hear("#{ENVELOPE}#{"0123456789\r\n" * 100}.\r\n")
    refute_includes server.noted.map(&:first), :receive_message
    assert_equal [[:receive_transaction], [:receive_reset]], server.noted.last(2)
    assert_operator chunks(server).flatten.join.bytesize, :<=, 100
    assert_equal ACCEPTED, server.hear("#{ENVELOPE}small\r\n.\r\n")
    assert_equal [["small"]], server.messages
  end

  def test_large_messages_are_the_same_in_pieces_of_any_size
    lines = Array.new(3000) { |i| i.to_s * (i % 40) }
    text = lines.map { |line| "#{line}\r\n" }.join
    [16_384, 1000, 17].each do |size|
      server = smtp_server({ chunksize: 100 })
      server.hear(*pieces_of("#{ENVELOPE}#{text}.\r\n", size))
      assert_equal [lines], server.messages
      assert_equal [101] * 29 + [71], chunks(server).map(&:size)
    end
  end

  def test_overridden_methods_see_every_line
    server = smtp_server
    seen = []
    server.define_singleton_method(:process_data_line) { |line| super(line.tap { seen << line }) }
    server.hear("#{ENVELOPE}one\r\n..two\r\n.\r\n")
    assert_equal %w[one ..two .], seen
  end

  def test_verbose_prints_what_clients_send
    server = smtp_server({ verbose: true })
    output, = capture_io { server.hear("#{ENVELOPE}one\r\n.\r\n") }
    assert_equal ">>> MAIL FROM:<a@b>\n>>> RCPT TO:<c@d>\n>>> DATA\n>>> one\n>>> .\n", output
  end

  private

  def chunks(server)
    server.noted.filter_map { |hook, lines| lines if hook == :receive_data_chunk }
  end

  def messages_of(text)
    assert_same_at_every_split("#{ENVELOPE}#{text}.\r\n") do |pieces|
      server = smtp_server
      assert_equal ACCEPTED, server.hear(*pieces)
      server.messages
    end
  end

  def after_data(text, **limits)
    server = smtp_server
    limits.each { |name, value| server.public_send("#{name}=", value) }
    server.hear(ENVELOPE)
    server.hear(text)
  end
end
