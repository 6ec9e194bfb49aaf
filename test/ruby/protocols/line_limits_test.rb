# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# The limits for lines in all line protocols, the handling of input when callbacks raise, and the time and memory that
# large input takes.

require "test_helper"
require "support/parsed"
require "open3"

class LineLimitsTest < ReactorTest
  include Parsed

  self.time_limit = 30

  class Lines < Parsed::Recorder
    include EM::P::LineText2
    records :receive_line, :receive_binary_data, :receive_error
  end

  class OldLines < Parsed::Recorder
    include EM::P::LineProtocol
    records :receive_line, :receive_error
  end

  # A limit that depends on earlier lines.
  class Growing < Lines
    def max_line_length
      @events.size + 1
    end
  end

  def test_the_limits_are_those_of_the_documentation
    assert_equal [1 << 20, 1 << 20], [Lines.new, OldLines.new].map(&:max_line_length)
  end

  def test_a_line_of_exactly_the_limit_passes_and_a_longer_one_does_not_at_every_split
    [Lines, OldLines].each do |protocol|
      ["\n", "\r\n"].each do |line_end|
        make = -> { protocol.new.tap { |it| it.max_line_length = 5 } }
        assert_equal [%w[12345]] * 3, told(:receive_line, events_at_every_split("12345#{line_end}" * 3, make))
        ["123456", line_end == "\n" ? "123456\r" : "12345\r"].each do |long|
          events = events_at_every_split("1#{line_end}#{long}#{line_end}2#{line_end}", make) { |it| assert_equal 1, it.closed }
          assert_equal [[:receive_line, "1"], [:receive_error, "overlength line"]], events
        end
      end
    end
  end

  def test_the_limit_does_not_include_the_delimiter
    [";", "END", "abab", /\r?\n\r?\n/, /<\w+>/].each do |delimiter|
      line_end = delimiter.is_a?(String) ? delimiter : { /<\w+>/ => "<123456789>" }.fetch(delimiter, "\r\n\r\n")
      make = -> { Lines.new.tap { |it| (it.max_line_length = 5) && it.set_delimiter(delimiter) } }
      assert_equal [%w[1a2a3]] * 2, told(:receive_line, events_at_every_split("1a2a3#{line_end}" * 2, make))
      assert_equal [[:receive_line, "1"], [:receive_error, "overlength line"]],
                   events_at_every_split("1#{line_end}1a2a3a#{line_end}2#{line_end}", make), delimiter.inspect
    end
  end

  def test_an_unfinished_line_is_refused_as_soon_as_it_must_be_too_long
    parser = Lines.new.tap { |it| it.max_line_length = 5 }
    parser.receive_data("12345")
    parser.receive_data("\r")
    assert_empty parser.events
    parser.receive_data("\r")
    assert_equal [[:receive_error, "overlength line"]], parser.events
  end

  def test_nothing_is_received_after_an_error_and_only_one_is_reported
    parser = Lines.new(receive_error: ->(it, _) { it.receive_data("a\n") || it.set_line_mode("b\n") || it.set_text_mode })
    parser.max_line_length = 1
    3.times { parser.receive_data("toolong\nx\n") }
    parser.unbind
    assert_equal [[[:receive_error, "overlength line"]], 1], [parser.events, parser.closed]
  end

  def test_a_reconnected_object_receives_again_after_an_error
    parser = Lines.new.tap { |it| it.max_line_length = 1 }
    parser.receive_data("toolong")
    parser.unbind
    parser.receive_data("x\n")
    assert_equal [:receive_line, "x"], parser.events.last
  end

  def test_the_connection_is_closed_even_if_the_error_callback_raises
    parser = Lines.new(receive_error: ->(*) { raise "oops" }).tap { |it| it.max_line_length = 1 }
    assert_raises(RuntimeError) { parser.receive_data("toolong") }
    assert_equal 1, parser.closed
  end

  def test_the_limit_may_change_with_each_line_at_every_split
    events = events_at_every_split("1\n12\n123\n1234\n123456\n", -> { Growing.new })
    assert_equal ["1", "12", "123", "1234", "overlength line"], events.map(&:last)
    script = { receive_line: ->(it, line) { it.max_line_length = line.size + 1 } }
    events = events_at_every_split("1\n12\n12\n1234\n1\n", -> { Lines.new(**script) })
    assert_equal ["1", "12", "12", "overlength line"], events.map(&:last)
  end

  def test_no_limit
    parser = Lines.new.tap { |it| it.max_line_length = Float::INFINITY }
    parser.receive_data("x" * 2_000_000)
    parser.receive_data("\n")
    assert_equal 2_000_000, parser.events.last.last.size
  end

  def test_a_peer_that_sends_too_long_a_line_is_disconnected
    events = []
    reactor do
      port = server_of(Module.new do
        include EM::P::LineText2
        define_method(:post_init) { self.max_line_length = 10 }
        define_method(:receive_line) { |line| events << line }
        define_method(:receive_error) { |text| events << text }
        define_method(:unbind) { |reason = nil| super(reason) || (events << reason && EM.stop) }
      end)
      talk(port) { |socket| socket.write("short\n#{'x' * 11}\nshort\n") && socket.read }
    end
    assert_equal ["short", "overlength line", nil], events
  end

  def test_data_sent_before_and_by_receive_error_reaches_the_peer
    answer = nil
    protocol = Module.new do
      include EM::P::LineText2
      define_method(:post_init) { self.max_line_length = 10 }
      define_method(:receive_line) { |line| send_data("#{line}\n") }
      define_method(:receive_error) { |text| send_data("#{text}\n") }
    end
    reactor { answer = talk(server_of(protocol)) { |socket| socket.write("short\n#{'x' * 12}\nshort\n") && socket.read } }
    assert_equal "short\noverlength line\n", answer.value
  end

  def test_an_unfinished_text_is_delivered_at_the_end_of_the_connection
    events = []
    reactor do
      port = server_of(Module.new do
        include EM::P::LineText2
        define_method(:receive_line) { |_| set_text_mode(10) }
        define_method(:receive_binary_data) { |data| (events << data) && EM.stop }
      end)
      talk(port) { |socket| socket.write("text\nab\nc") && !socket.close && wait_until { events.any? } }
    end
    assert_equal ["ab\nc"], events
  end

  def test_an_exception_in_a_callback_neither_loses_nor_repeats_later_data
    parser = Lines.new(receive_line: ->(_, line) { raise "oops" if line.start_with?("bad") })
    oops = assert_raises(RuntimeError) { parser.receive_data("a\nbad\nb\nbad 2\nc") }
    assert_equal "oops", oops.message
    assert_raises(RuntimeError) { parser.receive_data("d\nbad 3\n") }
    assert_raises(RuntimeError) { parser.receive_data("e\n") }
    parser.receive_data("f\n")
    assert_equal ["a", "bad", "b", "bad 2", "cd", "bad 3", "e", "f"], parser.events.map(&:last)
  end

  def test_a_throw_out_of_a_callback_neither_loses_nor_repeats_later_data
    parser = Lines.new(receive_line: ->(_, line) { throw :out if line == "throw" })
    catch(:out) { parser.receive_data("a\nthrow\nb\n") }
    parser.receive_data("c\n")
    assert_equal %w[a throw b c], parser.events.map(&:last)
  end

  def test_data_after_an_exception_precedes_data_put_back_later
    parser = Lines.new(receive_line: ->(_, line) { raise "oops" if line == "bad" })
    assert_raises(RuntimeError) { parser.receive_data("bad\nb\nc") }
    parser.set_line_mode("first\n")
    assert_equal %w[bad first b], parser.events.map(&:last)
  end

  def test_with_an_error_handler_parsing_continues_after_an_exception
    lines = []
    errors = []
    EM.error_handler { |error| errors << error.message }
    reactor do
      port = server_of(Module.new do
        include EM::P::LineText2
        define_method(:receive_line) do |line|
          lines << line
          raise "oops" if line == "bad"
        end
      end)
      talk(port) { |socket| (socket.write("bad\nbehind\n") && wait_until { errors.any? }) || (socket.write("end\n") && wait_until { lines.size == 3 }) }
    end
    assert_equal [%w[bad behind end], ["oops"]], [lines, errors]
  ensure
    EM.error_handler(nil)
  end

  def test_three_hundred_thousand_lines_in_one_piece
    parser = Lines.new
    parser.receive_data("line\n" * 300_000)
    assert_equal 300_000, parser.events.size
  end

  # Anything slower than linear takes minutes here.
  def test_fifty_thousand_changes_of_mode_or_delimiter_in_one_piece
    { text: ->(it, _) { it.set_text_mode(1) }, mode: ->(it, _) { it.set_line_mode }, delimiter: ->(it, _) { it.set_delimiter("\n") },
      limit: ->(it, line) { it.max_line_length = 100 + line.size } }.each do |what, change|
      parser = Lines.new(receive_line: change)
      parser.receive_data("abcd\n#{'x' if what == :text}" * 50_000)
      assert_equal 50_000, parser.events.count([:receive_line, "abcd"]), what
    end
  end

  def test_three_hundred_thousand_empty_texts_in_one_piece
    parser = Lines.new(receive_line: ->(it, _) { it.set_text_mode(0) })
    parser.receive_data("ab\n" * 300_000)
    assert_equal 300_000, parser.events.size
  end

  def test_forty_thousand_lines_that_are_put_back_again_and_again
    parser = Lines.new(receive_line: ->(it, line) { it.set_line_mode("#{line}!") if line.size < 6 && line != "" })
    parser.receive_data("abcd\n\n" * 40_000)
    assert_equal 80_000, parser.events.size
  end

  def test_putting_back_the_whole_rest_for_every_line
    script = { receive_line: ->(it, _) { it.set_text_mode }, receive_binary_data: lambda do |it, data|
      it.events.last[1] = nil
      it.set_line_mode(data.byteslice(1..))
    end }
    parser = Lines.new(**script)
    parser.receive_data("a\nx" * 40_000)
    assert_equal 40_000, parser.events.count([:receive_line, "a"])
  end

  def test_a_long_line_or_text_in_many_small_pieces
    [["\n", nil], ["END", nil], ["\n", 300_002]].each do |delimiter, size|
      parser = Lines.new.tap { |it| it.set_delimiter(delimiter) }
      parser.set_text_mode(size) if size
      100_000.times { parser.receive_data("xyz") }
      parser.receive_data("12#{delimiter}")
      assert_equal 300_002, parser.events.first.last.size
    end
  end

  def test_a_hundred_thousand_lines_by_a_regexp_in_one_piece
    parser = Lines.new.tap { |it| it.set_delimiter(/\r?\n/) }
    parser.receive_data("#{"ab\n" * 100_000}\xFF\n".b)
    assert_equal 100_001, parser.events.size
  end

  def test_regexps_are_not_searched_again_from_the_beginning
    parser = Lines.new.tap { |it| it.set_delimiter(/\r?\n/) }
    50_000.times { parser.receive_data("0123456789") }
    parser.receive_data("\r")
    parser.receive_data("\n")
    assert_equal 500_000, parser.events.first.last.size
  end

  def test_the_cost_of_an_exception_does_not_depend_on_the_remaining_data
    parser = Lines.new(receive_line: ->(*) { raise "oops" })
    assert_raises(RuntimeError) { parser.receive_data("line\n" * 30_000) }
    29_999.times { assert_raises(RuntimeError) { parser.receive_data("\n") } }
    assert_equal 30_000, parser.events.size
  end

  def test_lines_do_not_keep_the_memory_of_the_piece_they_came_from
    program = <<~RUBY
      require "eventmachine"
      class Keeper
        include EM::P::LineText2
        def receive_line(line)
          keep(line)
          set_text_mode(40) if line.start_with?("text")
          set_text_mode if line.start_with?("any")
        end
        def keep(data)
          $kept << data if data.size < 100
        end
        alias receive_binary_data keep
      end
      $kept = []
      resident = -> { File.read("/proc/self/statm").split[1].to_i * 4096 }
      before = resident.call
      %w[text any none].each do |mode|
        1_500.times do
          $kept << Keeper.new
          $kept.last.receive_data("y" * 65_536 + "\\n\#{mode}, a line of more than 24 bytes\\n" + "a rest that stays, a bit longer than 40 bytes")
        end
      end
      GC.start
      print resident.call - before
    RUBY
    output, status = Open3.capture2e(RbConfig.ruby, "-W0", "-I", Children::LIBRARY, "-e", program)
    assert_predicate status, :success?, output
    assert_operator output.to_i, :<, 150_000_000
  end

  private

  def told(callback, events)
    events.map { |name, *arguments| arguments if name == callback }
  end

  def server_of(protocol)
    port_of(EM.start_server("127.0.0.1", 0, protocol))
  end
end
