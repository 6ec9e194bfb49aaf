# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# HeaderAndContentProtocol: consecutive requests of header lines and content, and requests that are refused.

require "test_helper"
require "support/parsed"

class HeaderAndContentTest < ReactorTest
  include Parsed

  # It has no connection, since it is created by `allocate`.
  class Requests < EM::P::HeaderAndContentProtocol
    attr_reader :events, :closed

    def self.alone(**script)
      allocate.tap { |it| it.prepare(**script) }
    end

    def prepare(**script)
      @script = script
      @events = []
      @closed = 0
    end

    def close_connection_after_writing
      @closed += 1
    end

    %i[receive_first_header_line receive_headers receive_request receive_error].each do |name|
      define_method(name) do |*arguments|
        @events << [name, *Marshal.load(Marshal.dump(arguments))]
        @script[name]&.call(self, *arguments)
      end
    end
  end

  class Silent < EM::P::HeaderAndContentProtocol
    def close_connection_after_writing
    end
  end

  def test_a_request_without_content
    headers = ["GET / HTTP/1.0", "a: b"]
    assert_equal [[:receive_first_header_line, headers[0]], [:receive_headers, headers], [:receive_request, headers, ""]],
                 events("GET / HTTP/1.0\r\na: b\r\n\r\n")
  end

  def test_content_with_the_length_that_a_header_states
    headers = ["PUT", "Content-Length: 7"]
    assert_equal [[:receive_first_header_line, "PUT"], [:receive_headers, headers], [:receive_request, headers, "a\n\r\n\xFFb\n".b]],
                 events("PUT\nContent-Length: 7\n\na\n\r\n\xFFb\n".b)
  end

  def test_the_length_may_be_the_first_header_in_any_case_and_with_blanks
    ["content-length:3", "CONTENT-LENGTH :  3 ", "Content-length:\t3"].each do |header|
      assert_equal [header, "abc"], requests("#{header}\n\nabc").first.flatten, header
    end
  end

  def test_headers_with_similar_names_do_not_state_the_length
    ["X-Content-Length: 3", "a: Content-length: 3", " Content-length: 3", "Content-length-x: 3", "Content-Length 3"].each do |header|
      assert_equal ["", ""], requests("a\n#{header}\n\nb\n\n").map(&:last), header
    end
  end

  def test_five_consecutive_requests_with_blank_lines_between_them
    input = (1..5).map { |i| "\r\n\n" * (i % 2) + "request #{i}\r\ncontent-length: #{i % 3}\r\n\r\n#{'x' * (i % 3)}" }.join
    assert_equal (1..5).map { |i| [["request #{i}", "content-length: #{i % 3}"], "x" * (i % 3)] }, requests(input)
  end

  def test_header_lines_can_be_kept
    kept = []
    parser = Requests.alone(receive_request: ->(_, lines, content) { kept << lines << content })
    parser.receive_data("a\n\nb\ncontent-length: 1\n\nxc\n\n")
    assert_equal [["a"], "", ["b", "content-length: 1"], "x", ["c"], ""], kept
    refute(kept.flatten.any?(&:frozen?))
  end

  def test_a_repeated_length_is_refused
    ["content-length: 1\nContent-Length: 1", "content-length: 1\na: b\ncontent-length: 2"].each do |headers|
      assert_refused "extraneous content-length header", "PUT\n#{headers}\n\na"
    end
  end

  def test_an_invalid_length_is_refused
    ["-1", "+1", "1.0", "0x10", "1 2", "1,1", "1_0", "", "abc", "9" * 30, "\xFF"].each do |length|
      assert_refused "invalid content-length header", "PUT\ncontent-length: #{length}\n\na"
    end
  end

  def test_requests_beyond_a_limit_are_refused
    assert_equal [100, 64 * 1024, 32 * 1024 * 1024], %i[max_header_lines max_header_bytes max_content_bytes].map { |name| Requests.alone.send(name) }
    assert_refused "overlength content", "PUT\ncontent-length: 33554433\n\n"
    assert_refused "too many header lines", "a\nb\nc\nd\n\n", max_header_lines: 3
    assert_refused "overlength headers", "ab\nab\nabc\n\n", max_header_bytes: 6
    assert_refused "overlength line", "ab\nabcdefg\n\n", max_header_bytes: 6
    assert_refused "overlength content", "PUT\ncontent-length: 4\n\n", max_content_bytes: 3
  end

  # With a pattern that tries every blank, 60000 of them take minutes.
  def test_many_blanks_within_a_header_take_linear_time
    ["content-length: 1#{' ' * 60_000}x", "content-length:#{' ' * 60_000}x", "a#{' ' * 60_000}:#{' ' * 60_000}x", "content-length#{' ' * 60_000}x"].each do |line|
      parser = limited(max_header_bytes: 200_000)
      parser.receive_data("PUT\n#{line}\n\n")
      assert_equal 1, EM::P::HeaderAndContentProtocol.headers_2_hash([line, "b: #{line}"]).count { |name,| name == :b }
    end
  end

  def test_a_request_exactly_at_the_limits_passes
    limits = { max_header_lines: 3, max_header_bytes: 21, max_content_bytes: 3 }
    assert_equal ["abc"], requests("a\ncontent-length: 3\n12\n\nabc", **limits).map(&:last)
    assert_equal 100, requests("a: b\n" * 100 + "\n", seeds: 1)[0][0].size
  end

  def test_the_limit_for_content_can_be_raised
    parser = Requests.alone.tap { |it| it.max_content_bytes = Float::INFINITY }
    parser.receive_data("PUT\ncontent-length: 33554433\n\n")
    assert_equal :receive_headers, parser.events.last.first
  end

  def test_nothing_is_received_after_an_error
    parser = Requests.alone
    parser.receive_data("a\ncontent-length: x\nb\n\nc\n\n")
    parser.receive_data("d\n\n")
    parser.unbind
    assert_equal %i[receive_first_header_line receive_error], parser.events.map(&:first) - [nil]
  end

  def test_a_request_that_is_cut_off_is_dropped
    input = "PUT\ncontent-length: 5\n\nabcd"
    events = events_at_every_split(input, -> { Requests.alone }) { |parser| parser.unbind(nil) }
    assert_equal %i[receive_first_header_line receive_headers], events.map(&:first)
  end

  def test_a_reconnected_object_starts_with_an_empty_buffer
    ["PUT\ncontent-length: 5\n\nab", "PUT\na"].each do |cut_off|
      parser = Requests.alone
      parser.receive_data(cut_off)
      parser.unbind
      parser.receive_data("GET\n\n")
      assert_equal [:receive_request, ["GET"], ""], parser.events.last
    end
  end

  def test_content_remains_content_if_a_callback_raises
    %i[receive_first_header_line receive_headers receive_request].each do |callback|
      once = ->(it, *) { (it.events << [:raised]) && raise("oops") unless it.events.include?([:raised]) }
      parser = Requests.alone(callback => once)
      assert_raises(RuntimeError) { parser.receive_data("PUT\ncontent-length: 4\n\na\n\nbGET\n\n") }
      parser.receive_data("\n")
      assert_equal [[["PUT", "content-length: 4"], "a\n\nb"], [["GET"], ""]], parser.events.map { |name, *rest| rest if name == :receive_request }.compact
    end
  end

  def test_callbacks_need_not_be_defined
    Silent.allocate.receive_data("PUT\ncontent-length: 1\n\na\n\ncontent-length: x\n")
  end

  def test_header_lines_become_a_hash
    lines = ["GET / HTTP/1.0", "x-tempest-header:ddd", "Content-Type \t: text/plain; a: b ", "same: 1", "Same: 2", " folded: x", ": y", "empty:",
             "\xFF: z".b]
    hash = { x_tempest_header: "ddd", content_type: "text/plain; a: b ", same: "2", empty: "", "\xFF".b.to_sym => "z" }
    assert_equal hash, EM::P::HeaderAndContentProtocol.headers_2_hash(lines)
    assert_equal hash, Requests.alone.headers_2_hash(lines)
  end

  def test_a_server
    answer = nil
    service = Class.new(EM::P::HeaderAndContentProtocol) do
      define_method(:initialize) { |prefix| @prefix = prefix }
      define_method(:receive_request) { |lines, content| send_data("#{@prefix} #{headers_2_hash(lines)[:name]} #{content}\n") }
    end
    reactor do
      port = port_of(EM.start_server("127.0.0.1", 0, service, "hello"))
      answer = talk(port) { |socket| 2.times { socket.write("PUT\r\nName: me\r\nContent-Length: 3\r\n\r\nabc") } && [socket.gets, socket.gets] }
    end
    assert_equal ["hello me abc\n"] * 2, answer.value
  end

  def test_mutated_requests_raise_nothing_and_are_parsed_the_same_at_every_split
    valid = "PUT /a HTTP/1.1\r\nContent-Length: 12\r\nA: b\r\n\r\nab\r\n\r\ncd\r\n\r\nGET\n\nPUT\ncontent-length: 2\n\nxy"
    200.times do |seed|
      random = Random.new(seed)
      input = valid.b
      (1 + random.rand(4)).times { input[random.rand(input.size), random.rand(3)] = ["\n", "\r", ":", "1", "9", "-", "\xFF".b, ""].sample(random: random) }
      whole = events_of([input])
      3.times { assert_equal whole, events_of(random_pieces(input, random)), "seed #{seed}" }
    end
  end

  def test_random_data_raises_nothing
    100.times { |seed| events_of(random_pieces(Random.new(seed).bytes(3000).tr("\x40-\x7f", "\n"), Random.new(seed))) }
  end

  private

  def events(input, seeds: 20, **limits)
    events_at_every_split(input, -> { limited(limits) }, seeds: seeds)
  end

  def requests(input, **options)
    events(input, **options).select { |name,| name == :receive_request }.map { |event| event.drop(1) }
  end

  def assert_refused(text, input, **limits)
    events = events(input, **limits)
    assert_equal [[:receive_error, text]], events.last(1)
    refute_includes events.map(&:first), :receive_headers
    assert_equal 1, limited(limits).tap { |parser| parser.receive_data(input) }.closed
  end

  def limited(limits)
    Requests.alone.tap { |parser| limits.each { |name, value| parser.public_send(:"#{name}=", value) } }
  end

  def events_of(pieces)
    Requests.alone.tap { |parser| pieces.each { |piece| parser.receive_data(piece) } }.events
  end
end
