# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# LineProtocol. line_limits_test.rb tests its limits.

require "test_helper"
require "support/parsed"

class LineProtocolTest < ReactorTest
  include Parsed

  class Lines < Parsed::Recorder
    include EM::P::LineProtocol
    records :receive_line
  end

  class Silent
    include EM::P::LineProtocol
  end

  def test_each_line_is_delivered_once_without_its_end_at_every_split
    assert_equal ["a", "", "b", "q\r", "c\rd", "\xFF".b], lines("a\n\nb\r\nq\r\r\nc\rd\n\xFF\nrest")
  end

  def test_input_that_ends_with_a_line_is_not_delivered_again
    parser = Lines.new
    3.times { parser.receive_data("a\n") }
    assert_equal 3, parser.events.size
  end

  def test_empty_data_and_nil_change_nothing
    parser = Lines.new
    ["", nil, "a", "", "b\n", ""].each { |data| parser.receive_data(data) }
    assert_equal [[:receive_line, "ab"]], parser.events
  end

  def test_callbacks_need_not_be_defined
    Silent.new.tap { |parser| parser.receive_data("a\n#{'x' * 2_000_000}") }.unbind
  end

  def test_an_exception_in_a_callback_neither_loses_nor_repeats_later_data
    parser = Lines.new(receive_line: ->(_, line) { raise "oops" if line == "bad" })
    assert_raises(RuntimeError) { parser.receive_data("a\nbad\nb\n") }
    parser.receive_data("c\n")
    assert_equal %w[a bad b c], parser.events.map(&:last)
  end

  def test_a_server_of_lines
    answer = nil
    shouter = Module.new do
      include EM::P::LineProtocol
      define_method(:receive_line) { |line| send_data("#{line.upcase}\n") }
    end
    reactor do
      answer = talk(port_of(EM.start_server("127.0.0.1", 0, shouter))) { |socket| socket.write("a\r\nb\nc") && socket.read(4) }
    end
    assert_equal "A\nB\n", answer.value
  end

  private

  def lines(input)
    events_at_every_split(input.b, -> { Lines.new }).map(&:last)
  end
end
