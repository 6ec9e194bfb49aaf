# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "test_helper"
require "objspace"
require "support/segmentation"
require "em/protocols/http/response_parser"

# HTTP responses are parsed correctly wherever the network splits them.
class HttpResponseParserTest < Minitest::Test
  include Segmentation

  Parser = EM::P::HttpResponseParser

  def test_a_body_with_a_content_length
    assert_reads [200, "hello"], "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
  end

  def test_a_body_of_length_zero
    assert_reads [200, ""], "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
  end

  def test_the_body_is_bytes_of_any_value
    body = (0..255).map(&:chr).join.b
    assert_reads [200, body], "HTTP/1.1 200 OK\r\nContent-Length: 256\r\n\r\n".b + body
  end

  def test_consecutive_responses
    input = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi" \
            "HTTP/1.1 204 No Content\r\n\r\n" \
            "HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"
    assert_reads [200, "hi"], [204, ""], [404, "x"], input
  end

  def test_a_status_line_without_reason
    ["HTTP/1.1 200", "HTTP/1.1 200 ", "HTTP/1.0 200 All  well \xff"].each do |line|
      assert_reads [200, ""], "#{line}\r\nContent-Length: 0\r\n\r\n".b
    end
  end

  def test_malformed_status_lines_are_refused
    ["HTTP/1.1 20 OK", "HTTP/1.1 2000", "HTTP/1.1", "HTTP/1.2 200 OK", "HTTP/2 200", "http/1.1 200 OK", "XHTTP/1.1 200 OK",
     "HTTP/1.1  200 OK", "HTTP/1.1 099 OK", "HTTP/1.1 2x0 OK", "SSH-2.0-OpenSSH", "HTTP/1.1 200 O\rK", "HTTP/1.1 200 \0",
     " HTTP/1.1 200 OK"].each { |line| assert_reads :bad_request, "#{line}\r\n" }
  end

  def test_header_lines_are_kept_unchanged
    lines = ["HTTP/1.1 200 OK", "X-Empty:", "x-Time: 12:30:05", "X-Twice: a", "CONTENT-LENGTH:0", "X-TWICE: b \t", "X-Latin: \xe9".b]
    response = read("#{lines.map(&:b).join("\r\n")}\r\n\r\n")
    assert_equal lines, response.header_lines
    assert_equal({ "x-empty" => [""], "x-time" => ["12:30:05"], "x-twice" => %w[a b], "content-length" => ["0"],
                   "x-latin" => ["\xe9".b] }, response.headers)
  end

  def test_lines_may_end_in_a_bare_line_feed
    assert_reads [200, "hi"], "HTTP/1.1 200 OK\nContent-Length: 2\nX-A: b\r\n\nhi"
  end

  def test_a_folded_line_is_joined_with_the_previous_line
    input = "HTTP/1.1 200 OK\r\nX-A: b\r\n \tContent-Length: 5\r\nContent-Length:\r\n 2\r\n\r\nhi"
    assert_same_at_every_split(input) do |pieces|
      response = responses(pieces, ["GET"]).first
      assert_equal ["HTTP/1.1 200 OK", "X-A: b Content-Length: 5", "Content-Length: 2"], response.header_lines
      assert_equal ["b Content-Length: 5"], response.headers["x-a"]
      response.content
    end
  end

  def test_malformed_header_lines_are_refused
    ["Content-Length : 2", "no colon", ": no name", " folded before any field", "X-A: b\rc", "X-A: b\0", "X(A: b", "X\xe9: b",
     "X-A: b\r\n \0"].each { |line| assert_reads :bad_header, "HTTP/1.1 200 OK\r\n#{line}\r\n\r\n".b }
  end

  def test_any_number_of_interim_responses_is_skipped
    interim = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nContent-Length: 7\r\nLink: </a.css>\r\n\r\n"
    assert_reads [200, "hi"], "#{interim * 3}HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
  end

  def test_a_change_of_protocol_is_refused
    assert_reads :bad_request, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"
  end

  def test_responses_that_have_no_body_whatever_their_header_says
    [["HEAD", 200], ["GET", 204], ["GET", 304]].each do |verb, status|
      ["Content-Length: 5", "Transfer-Encoding: chunked", "X-A: b"].each do |field|
        input = "HTTP/1.1 #{status} X\r\n#{field}\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
        assert_same_at_every_split(input) do |pieces|
          summaries = responses(pieces, [verb, "GET"]).map { |response| [response.status, response.content] }
          assert_equal [[status, ""], [200, "hi"]], summaries
        end
      end
    end
  end

  def test_without_length_the_body_ends_with_the_connection
    assert_reads [200, "hello\r\n\r\n"], "HTTP/1.1 200 OK\r\n\r\nhello\r\n\r\n"
    assert_reads [200, ""], "HTTP/1.0 200 OK\r\nConnection: close\r\n\r\n"
  end

  def test_a_truncated_response_is_not_returned
    ["HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nA: b\r\n\r\n"].each do |whole|
      (0...whole.bytesize).each { |cut| assert_empty responses([whole.byteslice(0, cut)], ["GET"]), "cut at #{cut}" }
    end
  end

  def test_ambiguous_lengths_are_refused
    ["5, 5", "+5", "-1", "0x5", "5 5", "", "5;", "1" * 20, "٣"].each { |length| assert_no_framing "Content-Length: #{length}" }
    assert_no_framing "Content-Length: 5\r\nContent-Length: 6"
    assert_no_framing "Content-Length: 5\r\nContent-Length: 05"
    assert_no_framing "Content-Length: 5\r\nTransfer-Encoding: chunked"
    assert_no_framing "Transfer-Encoding: identity\r\nContent-Length: 5"
  end

  def test_a_repeated_identical_length_is_accepted
    assert_reads [200, "hi"], "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nhi"
  end

  def test_transfer_codings_are_matched_as_whole_words
    ["xchunked", "chunked-ish", "cow", "", "identity", "chunked, chunked", "gzip;q=1, chunked", "\"chunked\"", "chun ked"].each do |coding|
      assert_no_framing "Transfer-Encoding: #{coding}"
    end
    assert_reads [200, "hi"], "HTTP/1.1 200 OK\r\nTransfer-Encoding: , CHUNKED,\r\n\r\n2\r\nhi\r\n0\r\n\r\n"
    assert_reads [200, "hi"], "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"
  end

  def test_where_chunked_is_not_the_last_coding_the_body_ends_with_the_connection
    assert_reads [200, "2\r\nhi\r\n"], "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip\r\n\r\n2\r\nhi\r\n"
  end

  def test_a_transfer_coding_in_http_1_0_is_refused
    assert_reads :unsupported_clen, "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
  end

  def test_chunks_with_extensions_and_trailers
    body = "5\r\nhello\r\n006;name=value\r\n world\r\n1 ; a=\"b;c\"\r\n!\r\nA\r\n0123456789\r\n00;last\r\n" \
           "Content-Length: 3\r\nX-Status: no\r\n folded\r\n\r\n"
    response = assert_chunks [200, "hello world!0123456789"], body
    assert_equal ["transfer-encoding"], response.headers.keys
  end

  def test_chunks_that_contain_what_looks_like_framing
    assert_chunks [200, "0\r\n\r\n"], "5\r\n0\r\n\r\n\r\n0\r\n\r\n"
  end

  def test_malformed_chunk_sizes_are_refused
    ["-1", "+1", "0x1", " 1", "1 ", "g", "", "1#{'0' * 16}", "1,1", "1_0", ";a=b", "1;\0", "1;\r"].each do |size|
      assert_chunks :unsupported_clen, "#{size}\r\n"
    end
  end

  def test_chunk_framing_with_bare_line_feeds_is_refused
    assert_chunks :unsupported_clen, "1\nx\r\n"
    assert_chunks :unsupported_clen, "1\r\nx\n0"
  end

  def test_a_chunk_that_is_longer_than_its_size_is_refused
    assert_chunks :unsupported_clen, "1\r\nxx\r\n"
  end

  def test_malformed_trailers_are_refused
    assert_chunks :bad_header, "0\r\nHTTP/1.1 200 OK\r\n"
    assert_chunks :bad_header, "0\r\n folded\r\n"
  end

  def test_a_few_empty_lines_before_a_response
    response = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
    assert_reads [200, "hi"], ("\r\n" * 10) + response
    assert_reads [200, "hi"], [200, "hi"], "#{response}\r\n\n#{response}"
    assert_reads :bad_request, "\r\n" * 11
  end

  def test_persistent_and_closing_connections_are_distinguished
    { "HTTP/1.1 204 X" => true, "HTTP/1.0 204 X" => false, "HTTP/1.1 204 X\r\nConnection: Close" => false,
      "HTTP/1.1 204 X\r\nConnection: a, close ,b" => false, "HTTP/1.1 204 X\r\nConnection: closed, not-close" => true,
      "HTTP/1.0 204 X\r\nConnection: Keep-Alive" => true, "HTTP/1.1 204 X\r\nConnection: a\r\nConnection: close" => false,
      "HTTP/1.0 204 X\r\nConnection: keep-alive, close" => false }.each do |header, persistent|
      assert_equal persistent, read("#{header}\r\n\r\n").persistent?, header
    end
  end

  def test_surplus_is_unrequested_data_except_for_a_few_empty_lines
    { "" => false, "\r\n\n" => false, "\r" => false, "H" => true, "\r\nx" => true, "\n" * 21 => true }.each do |more, surplus|
      parser = Parser.new << "HTTP/1.1 204 X\r\n\r\n#{more}"
      parser.shift("GET")
      assert_equal surplus, parser.surplus?, more.inspect
    end
  end

  def test_input_is_neither_modified_nor_kept
    parser = Parser.new
    data = +"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab"
    copy = data.dup
    parser << data
    assert_equal copy, data
    data.replace("x" * 60)
    assert_equal "abcd", (parser << "cd").shift("GET").content
  end

  def test_returned_strings_belong_to_the_caller
    parser = Parser.new << "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhiHTTP/1.1 204 X\r\n\r\n"
    response = parser.shift("GET")
    response.content << "!"
    response.header_lines.each { |line| line << "!" }
    assert_equal ["HTTP/1.1 204 X"], parser.shift("GET").header_lines
    assert_equal [Encoding::BINARY], [response.content, *response.header_lines].map(&:encoding).uniq
  end

  def test_a_small_body_does_not_keep_the_memory_of_the_whole_input
    input = "HTTP/1.1 200 OK\r\nContent-Length: 30000\r\n\r\n#{'x' * 30_000}HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n#{'y' * 100}"
    small = responses([input], %w[GET GET]).last.content
    refute_includes ObjectSpace.dump(small), '"shared":true'
  end

  private

  # The last argument is the input; the others are what it is read as: [status, content] of each response, or the kind
  # of an error.
  def assert_reads(*expected, input)
    assert_same_at_every_split(input) do |pieces|
      assert_equal expected, outcomes(pieces), input.inspect
    end
    read(input) unless expected.last.is_a?(Symbol)
  end

  def assert_chunks(expected, body)
    assert_reads expected, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n#{body}"
  end

  def assert_no_framing(fields)
    assert_reads :unsupported_clen, "HTTP/1.1 200 OK\r\n#{fields}\r\n\r\n".b
  end

  def outcomes(pieces)
    outcomes = []
    each_response(pieces, ["GET"] * 10) { |response| outcomes << [response.status, response.content] }
    outcomes
  rescue EM::P::HttpError => e
    outcomes << e.kind
  end

  def read(input)
    responses([input.b], ["GET"]).first
  end

  def responses(pieces, verbs)
    enum_for(:each_response, pieces, verbs).to_a
  end

  # Passes in the pieces one by one, followed by the peer's end.
  def each_response(pieces, verbs)
    parser = Parser.new
    verbs = verbs.dup
    pieces.each do |piece|
      parser << piece
      while verbs.any? && (response = parser.shift(verbs.first))
        verbs.shift
        yield response
      end
    end
    last = parser.finish
    yield last if last
  end
end
