# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "test_helper"
require "support/segmentation"
require "support/smtp_stand_ins"

# Nothing that a peer sends raises an exception or makes the parsers exceed their limits.
class SmtpFuzzTest < Minitest::Test
  include Segmentation
  include SmtpStandIns

  ROUNDS = 150
  COMMANDS = ["EHLO x\r\n", "HELO\r\n", "MAIL FROM:<a@b> SIZE=1\r\n", "RCPT TO:<c@d>\r\n", "DATA\r\n", "text\r\n", "..\r\n", ".\r\n", "\r\n.\r\n",
              "RSET\r\n", "NOOP\r\n", "AUTH PLAIN\r\n", "AUTH PLAIN AGEAYg==\r\n", "AGEAYg==\r\n", "*\r\n", "STARTTLS\r\n", "VRFY a\r\n",
              "HELP\r\n", "\n", "\r", "\0", "\xff", "x" * 300].map(&:b).freeze
  REPLIES = ["220 x\r\n", "250 x\r\n", "250-x\r\n", "250-PIPELINING\r\n", "235 x\r\n", "354 x\r\n", "550 x\r\n", "421\r\n", "\r\n", "25", "\n",
             "-", "\xff\0", "x" * 300].map(&:b).freeze
  REPLY = /\A\d{3}[ -][^\r\n]*\z/n

  def test_servers_survive_commands_in_any_order
    each_input(COMMANDS) { |random, pieces| check_server(random, pieces) }
  end

  def test_clients_survive_replies_in_any_order
    each_input(REPLIES) { |random, pieces| check_client(random, pieces) }
  end

  private

  # Input from the grammar, with and without mutations, and random input.
  def each_input(grammar)
    ROUNDS.times do |seed|
      random = Random.new(seed)
      input = seed % 5 == 4 ? random.bytes(3000) : Array.new(60) { grammar.sample(random: random) }.join
      mutate(input, random) if seed.odd?
      yield random, random_pieces(input, random)
    rescue StandardError => e
      flunk "seed #{seed}: #{e.full_message}"
    end
  end

  def mutate(input, random)
    10.times do
      at = random.rand(input.bytesize)
      random.rand(2).zero? ? input.setbyte(at, random.rand(256)) : input.slice!(at, random.rand(4))
    end
  end

  def check_server(random, pieces)
    parms = { auth: true, auth_in_clear: true, starttls: true, bare_line_ends: random.rand(2).zero? ? :keep : :refuse, chunksize: 3 }
    server = smtp_server(parms, type: TlsServer)
    pieces.each do |piece|
      server.receive_data(piece)
      assert_operator server.instance_variable_get(:@smtp_input).size, :<=, 2048 + piece.bytesize
    end
    server.taken.split("\r\n").each { |line| assert_match REPLY, line }
    server.unbind
  end

  def check_client(random, pieces)
    wish = [{}, { auth: { type: :plain, username: "u", password: "p" } }, { starttls: true }].sample(random: random)
    client, outcomes = smtp_client(type: TlsClient, to: %w[a@b c@d], **wish)
    pieces.each { |piece| client.receive_data(piece) }
    client.unbind
    assert_equal 1, outcomes.size
  end
end
