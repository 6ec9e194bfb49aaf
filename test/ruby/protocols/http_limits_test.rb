# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "test_helper"
require "support/segmentation"
require "em/protocols/http/response_parser"

# No server can make a client exceed its limits or raise anything but HttpError.
class HttpLimitsTest < Minitest::Test
  include Segmentation

  LIMITS = { max_header_lines: 3, max_header_bytes: 80, max_content_bytes: 10 }.freeze
  OK = "HTTP/1.1 200 OK\r\n"
  CHUNKED = "#{OK}Transfer-Encoding: chunked\r\n\r\n"

  def test_as_many_header_lines_as_allowed
    assert_equal 204, outcome("HTTP/1.1 204 X\r\nA: 1\r\nB: 2\r\nC: 3\r\n\r\n")
    assert_equal :bad_header, outcome("HTTP/1.1 204 X\r\nA: 1\r\nB: 2\r\nC: 3\r\nD: 4\r\n")
    assert_equal :bad_header, outcome("HTTP/1.1 204 X\r\nA: 1\r\n 2\r\n 3\r\n 4\r\n")
  end

  def test_as_many_header_bytes_as_allowed
    rest = 80 - "HTTP/1.1 204 X\r\nA: \r\n\r\n".bytesize
    assert_equal 204, outcome("HTTP/1.1 204 X\r\nA: #{'x' * rest}\r\n\r\n")
    assert_equal :bad_header, outcome("HTTP/1.1 204 X\r\nA: #{'x' * (rest + 1)}\r\n\r\n")
  end

  def test_a_line_without_end_is_refused_as_soon_as_it_is_too_long
    assert_equal :bad_header, outcome("x" * 81)
    assert_equal :bad_header, outcome("#{OK}#{'x' * 64}")
    assert_equal :waits, outcome("x" * 80)
  end

  def test_interim_responses_do_not_count_together
    assert_equal 204, outcome("#{"HTTP/1.1 100 Continue\r\nA: b\r\nC: d\r\n\r\n" * 20}HTTP/1.1 204 X\r\n\r\n")
  end

  def test_a_body_with_an_excessive_length_is_refused_before_it_arrives
    assert_equal 200, outcome("#{OK}Content-Length: 10\r\n\r\n0123456789")
    assert_equal :body_too_large, outcome("#{OK}Content-Length: 11\r\n\r\n")
    assert_equal :body_too_large, outcome("#{OK}Content-Length: 9999999999999999999\r\n\r\n")
  end

  def test_chunks_that_are_too_long_together_are_refused_before_the_last_arrives
    assert_equal 200, outcome("#{CHUNKED}5\r\n01234\r\n5\r\n56789\r\n0\r\n\r\n")
    assert_equal :body_too_large, outcome("#{CHUNKED}5\r\n01234\r\n6\r\n")
    assert_equal :body_too_large, outcome("#{CHUNKED}ffffffffffffffff\r\n")
  end

  def test_a_body_that_ends_with_the_connection
    assert_equal :waits, outcome("#{OK}\r\n0123456789")
    assert_equal :body_too_large, outcome("#{OK}\r\n0123456789a")
  end

  def test_extensions_and_trailers_count_together
    assert_equal :bad_header, outcome("#{CHUNKED}1;#{'x' * 200}")
    assert_equal :bad_header, outcome(CHUNKED + "1;#{'x' * 50}\r\na\r\n" * 3)
    assert_equal :bad_header, outcome("#{CHUNKED}0;#{'x' * 60}\r\nA: #{'b' * 60}\r\n\r\n")
    assert_equal :bad_header, outcome("#{CHUNKED}0\r\n#{"A: b\r\n" * 5}\r\n")
    assert_equal 200, outcome("#{CHUNKED}#{"1\r\na\r\n" * 10}0\r\nA: b\r\n\r\n")
  end

  def test_many_small_chunks_are_accepted
    body = "1\r\nx\r\n" * 50_000
    parser = EM::P::HttpResponseParser.new
    response = (parser << CHUNKED << body << "0\r\n\r\n").shift("GET")
    assert_equal "x" * 50_000, response.content
  end

  def test_a_long_header_byte_by_byte
    header = "#{OK}A: #{'x' * 60_000}\r\nContent-Length: 0\r\n\r\n"
    parser = EM::P::HttpResponseParser.new
    response = nil
    header.each_char { |byte| response = (parser << byte).shift("GET") }
    assert_equal 200, response.status
  end

  VALID = [
    "#{OK}Content-Length: 5\r\nConnection: keep-alive\r\n\r\nhello",
    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\nX-A: b\r\n folded\r\n\r\n",
    "#{CHUNKED}3;a=b\r\nabc\r\n0\r\nX-T: u\r\n\r\n",
    "HTTP/1.0 200 OK\r\nServer: x\r\n\r\nto the end"
  ].freeze
  BYTES = ["\r", "\n", "\r\n", ":", " ", "\t", "0", "f", ";", ",", "\0", "\xff".b, "HTTP/1.1 200 OK\r\n", "Content-Length: 3\r\n",
           "Transfer-Encoding: chunked\r\n", "\r\n\r\n"].freeze

  def test_mutated_responses_are_read_the_same_at_every_split
    400.times { |seed| assert_bounded_at_every_split(mutated(Random.new(seed)), "seed #{seed}") }
  end

  def test_random_data_is_read_the_same_at_every_split
    200.times do |seed|
      random = Random.new(seed)
      assert_bounded_at_every_split(Array.new(random.rand(60)) { BYTES.sample(random: random) }.join.b, "noise, seed #{seed}")
    end
  end

  private

  def outcome(input)
    assert_same_at_every_split(input, seeds: 3) do |pieces|
      result = results(pieces, LIMITS, finish: false).last
      result.is_a?(Array) ? result.first : result || :waits
    end
  end

  def assert_bounded_at_every_split(input, message)
    random = Random.new(input.bytesize)
    cuts = [pieces_of(input, [input.bytesize, 1].max), pieces_of(input, 1), *Array.new(6) { random_pieces(input, random) }]
    readings = cuts.map { |pieces| results(pieces, LIMITS, finish: true) }
    assert_equal 1, readings.uniq.size, "#{message}: #{input.inspect} is read as #{readings.uniq.inspect}"
  end

  # @return [Array] [status, header lines, content] of each response, and the kind of error, if any
  def results(pieces, limits, finish:)
    parser = EM::P::HttpResponseParser.new(**limits)
    results = []
    note = ->(response) { results << [response.status, response.header_lines, response.headers, response.content] if response }
    pieces.each { |piece| (parser << piece) && (nil while note.call(parser.shift("GET"))) }
    note.call(parser.finish) if finish
    results
  rescue EM::P::HttpError => e
    results << e.kind
  end

  def mutated(random)
    input = Array.new(1 + random.rand(3)) { VALID.sample(random: random) }.join.b
    (1 + random.rand(4)).times do
      at = random.rand(input.bytesize)
      input[at, random.rand(4)] = BYTES.sample(random: random)
    end
    input
  end
end
