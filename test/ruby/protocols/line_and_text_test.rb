# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# LineAndTextProtocol: lines and binary data. Every error in a line is reported as "overlength line".

require "test_helper"
require "support/parsed"

class LineAndTextTest < ReactorTest
  include Parsed

  # Records its callbacks. It has no connection, since it is created by `allocate`.
  class Old < EM::P::LineAndTextProtocol
    attr_reader :events, :closed, :exceptions

    def self.alone(**script)
      allocate.tap { |it| it.prepare(**script) }
    end

    def prepare(**script)
      @script = script
      @events = []
      @exceptions = []
      @closed = 0
    end

    def close_connection_after_writing
      @closed += 1
    end

    def receive_exception(error)
      @exceptions << error
    end

    %i[receive_line receive_binary_data receive_error].each do |name|
      define_method(name) do |data|
        @events << [name, data.dup]
        @script[name]&.call(self, data)
      end
    end
  end

  # Defines no callbacks.
  class Silent < EM::P::LineAndTextProtocol
    def close_connection_after_writing
    end
  end

  def test_lines_end_in_line_feeds_or_carriage_return_and_line_feed
    assert_equal ["a", "", "b", "q\r", "c\rd"], events("a\n\nb\r\nq\r\r\nc\rd\nrest").map(&:last)
  end

  def test_binary_data_of_known_size_at_every_split
    assert_equal [[:receive_line, "header 5"], [:receive_binary_data, "\na\r\nb"], [:receive_line, "next"]],
                 events("header 5\n\na\r\nbnext\n", receive_line: header)
  end

  def test_binary_data_of_size_zero_is_delivered_at_once_and_lines_follow
    returned = ->(it, line) { header.call(it, line) && it.events << [:returned] }
    assert_equal [[:receive_line, "header 0"], [:receive_binary_data, ""], [:returned], [:receive_line, "a"], [:returned]],
                 events("header 0\na\n", receive_line: returned)
  end

  def test_buffered_data_is_delivered_before_set_binary_mode_returns
    parser = Old.alone(receive_line: ->(it, line) { header.call(it, line) && it.events << [:returned] })
    parser.receive_data("header 2\nabc\n")
    assert_equal [[:receive_line, "header 2"], [:receive_binary_data, "ab"], [:returned], [:receive_line, "c"], [:returned]], parser.events
  end

  def test_binary_data_of_unknown_size_never_ends
    parser = Old.alone(receive_line: ->(it, _) { it.set_binary_mode })
    ["go\n", "a\n", "b"].each { |piece| parser.receive_data(piece) }
    assert_equal [[:receive_line, "go"], [:receive_binary_data, ""], [:receive_binary_data, "a\n"], [:receive_binary_data, "b"]], parser.events
    assert_raises(RuntimeError) { parser.set_binary_mode(5) }
  end

  def test_binary_mode_can_be_set_in_line_mode_only
    inside = []
    again = ->(it, _) { inside << assert_raises(RuntimeError) { it.set_binary_mode(1) }.message }
    events("header 2\nabx\n", receive_line: header, receive_binary_data: again)
    assert_equal ["invalid operation"], inside.uniq
  end

  def test_invalid_and_excessive_sizes_are_refused
    assert_equal 32 * 1024 * 1024, Old::MaxBinaryLength
    parser = Old.alone
    [-1, 1.5, "5", false].each { |size| assert_raises(ArgumentError) { parser.set_binary_mode(size) } }
    assert_equal "Overlength", assert_raises(RuntimeError) { parser.set_binary_mode(Old::MaxBinaryLength + 1) }.message
    parser.set_binary_mode(Old::MaxBinaryLength)
  end

  def test_an_exception_in_receive_line_counts_as_an_overlength_line_once
    script = { receive_line: ->(*) { raise ArgumentError, "mine" } }
    assert_same_at_every_split("a\nb\nc") do |pieces|
      parser = Old.alone(**script)
      pieces.each { |piece| parser.receive_data(piece) }
      assert_equal [1, ["mine"]], [parser.closed, parser.exceptions.map(&:message)]
      assert_equal [[:receive_line, "a"], [:receive_error, "overlength line"]], parser.events
    end
  end

  def test_exceptions_other_than_standard_errors_are_passed_on
    parser = Old.alone(receive_line: ->(*) { raise NotImplementedError })
    assert_raises(NotImplementedError) { parser.receive_data("a\n") }
    assert_equal 0, parser.closed
  end

  def test_a_line_of_exactly_the_limit_passes_and_a_longer_one_does_not
    [16_384, nil].each do |limit|
      ["x" * 16_385, "x" * 16_385 + "\n"].each do |long|
        parser = Old.alone
        parser.max_line_length = limit
        parser.receive_data("#{'x' * 16_384}\r\n")
        parser.receive_data("#{long}\n")
        assert_equal [[:receive_line, 16_384], [:receive_error, 15]], parser.events.map { |name, data| [name, data.size] }
        assert_equal [1, []], [parser.closed, parser.exceptions]
      end
    end
    assert_equal [[:receive_line, "12345"], [:receive_error, "overlength line"]], events("12345\r\n123456\n1\n", limit: 5)
  end

  def test_unbind_delivers_unfinished_data_of_known_size
    { "header 5\n12" => ["12"], "header 5\n" => [""], "a" => [], "header 2\n12" => ["12"] }.each do |input, tail|
      parser = Old.alone(receive_line: header)
      parser.receive_data(input)
      parser.unbind(nil)
      assert_equal tail, parser.events.map { |name, data| data if name == :receive_binary_data }.compact, input
    end
  end

  def test_nothing_is_delivered_after_an_error_not_even_unfinished_data
    parser = Old.alone(receive_line: ->(it, _) { it.set_binary_mode(5) && raise("oops") || raise("oops") })
    parser.receive_data("a\n12")
    parser.receive_data("345\nb\n")
    parser.unbind
    assert_equal [[:receive_line, "a"], [:receive_error, "overlength line"]], parser.events
  end

  def test_callbacks_need_not_be_defined
    parser = Silent.allocate
    parser.receive_data("a\n")
    parser.set_binary_mode(3)
    parser.receive_data("abc#{'x' * 20_000}")
    parser.unbind
  end

  def test_the_exception_goes_to_the_error_handler
    errors = []
    EM.error_handler { |error| errors << error.message }
    serve_one_line
    assert_equal ["oops"], errors
  ensure
    EM.error_handler(nil)
  end

  def test_without_an_error_handler_the_exception_is_printed
    _, printed = capture_io { serve_one_line }
    assert_match(/oops.*RuntimeError/, printed)
  end

  def test_a_hundred_thousand_blocks_in_one_piece
    count = 0
    parser = Old.alone(receive_line: ->(it, _) { it.set_binary_mode(1) }, receive_binary_data: ->(*) { count += 1 })
    parser.receive_data("a\n\n" * 100_000)
    assert_equal 100_000, count
  end

  def test_lines_wait_while_the_callback_for_binary_data_is_suspended
    old = Old.alone(receive_line: header, receive_binary_data: ->(*) { Fiber.yield })
    fiber = Fiber.new { old.receive_data("header 2\nxxpar") }
    fiber.resume
    old.receive_data("tial\n")
    assert_equal ["header 2", "xx"], old.events.map(&:last)
    fiber.resume
    assert_equal ["header 2", "xx", "partial"], old.events.map(&:last)
  end

  private

  def events(input, limit: nil, **script)
    make = -> { Old.alone(**script).tap { |it| it.max_line_length = limit } }
    events_at_every_split(input, make)
  end

  def header
    lambda do |it, line|
      it.set_binary_mode(line[/\d+/].to_i) if line.start_with?("header")
      true
    end
  end

  # A real connection, whose receive_line raises.
  def serve_one_line
    raiser = Class.new(EM::P::LineAndTextProtocol) { define_method(:receive_line) { |_| raise "oops" } }
    reactor do
      talk(port_of(EM.start_server("127.0.0.1", 0, raiser))) { |socket| socket.write("a\n") && socket.read }
    end
  end
end
