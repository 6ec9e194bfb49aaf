# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# LineText2: lines and text with any delimiter, mode changes at any time, and the same result at every split.

require "test_helper"
require "support/parsed"

class LineText2Test < ReactorTest
  include Parsed

  class Lines < Parsed::Recorder
    include EM::P::LineText2
    records :receive_line, :receive_binary_data, :receive_end_of_binary_data, :receive_error
  end

  # A class whose `initialize` does not call `super` and that overrides no callbacks.
  class Silent
    include EM::P::LineText2

    def initialize(_some, _arguments)
    end
  end

  def test_lines_end_in_line_feeds_or_carriage_return_and_line_feed
    assert_equal ["a", "", "b", "c\rd", "q\r", "\r", ""], lines("a\n\nb\r\nc\rd\nq\r\r\n\r\r\n\r\nrest")
  end

  def test_other_delimiters_leave_carriage_returns_alone
    assert_equal ["a\r\nb\r", "c"], lines("a\r\nb\r;c;d", delimiter: ";")
    assert_equal ["a\nb\r", "c"], lines("a\nb\r\r\nc\r\n", delimiter: "\r\n")
  end

  def test_delimiters_of_several_bytes_even_with_repeated_prefixes
    assert_equal %w[x yEN ENz], lines("xENDyENENDENzEND", delimiter: "END")
    assert_equal %w[aa baa], lines("aaaabbaaaabx", delimiter: "aab")
    assert_equal ["", "aba"], lines("abababaabab", delimiter: "abab")
  end

  def test_the_delimiter_may_be_any_object_with_to_s
    assert_equal %w[a b], lines("a1b1", delimiter: 1)
    assert_equal ["a", "\xFF".b], lines("aé\xFFé".b, delimiter: "é")
    assert_equal ["", "a", "b\tc"], lines(" a b\tc ", delimiter: " ")
  end

  def test_an_empty_delimiter_is_refused
    ["", nil, :""].each { |delimiter| assert_raises(ArgumentError) { Lines.new.set_delimiter(delimiter) } }
  end

  def test_a_refused_delimiter_changes_nothing
    parser = Lines.new
    parser.receive_data("a\nb")
    assert_raises(ArgumentError) { parser.set_delimiter("") }
    parser.receive_data("c\n")
    assert_equal [%w[a], %w[bc]], parser.events.map { |event| event.drop(1) }
  end

  def test_regexps_end_lines_and_an_unfinished_line_waits
    assert_equal %w[a b c], lines("a\r\nb\nc\r\nd", delimiter: /\r?\n/)
    assert_equal %w[a b c], lines("a<1>b<22>c<333>", delimiter: /<\d+>/)
    assert_equal ["a", "\xFFb".b], lines("a;\xFFb;".b, delimiter: /;/)
  end

  def test_regexps_split_at_their_match_not_at_an_earlier_occurrence_of_its_text
    assert_equal ["a,b", "c"], lines("a,bX,cX,", delimiter: /(?<=X),/).map { |line| line.delete("X") }
    assert_equal ["a;b"], lines("a;b;!", delimiter: /;(?=!)/)
    assert_equal %w[ax bx], lines("ax|bx|", delimiter: /\|/)
  end

  def test_text_before_a_line_does_not_affect_a_regexp
    assert_equal ["a\n"], lines("a\n;b;c\n", delimiter: /(?<=\n);/)
    assert_equal ["", "", "a"], lines("##a##b", delimiter: /\A#|##/)
  end

  def test_empty_matches_are_ignored
    assert_equal %w[abc d], lines("abc,d,", delimiter: /,*/)
    [//, /(?=b)/, /^/, /$/, /x?/].each { |pattern| assert_empty lines("abc\nabc", delimiter: pattern) }
  end

  def test_a_match_ends_at_the_end_of_the_data_that_has_arrived
    parser = Lines.new.tap { |it| it.set_delimiter(/\n+/) }
    ["a\n\nb\n", "\nc\n"].each { |piece| parser.receive_data(piece) }
    assert_equal ["a", "b", "", "c"], parser.events.map(&:last)
  end

  def test_regexps_of_characters_are_refused
    assert_raises(ArgumentError) { Lines.new.set_delimiter(/é/) }
    assert_equal ["a"], lines("a\xC3\xA9b".b, delimiter: Regexp.new("\xC3\xA9".b, Regexp::NOENCODING))
  end

  def test_the_delimiter_may_change_with_each_line
    script = { receive_line: ->(it, line) { it.set_delimiter(line[-1]) } }
    events = events_at_every_split("a;\nb|;c\n|d\n", -> { Lines.new(**script) })
    assert_equal ["a;", "b|", "c\n", "d"], events.map(&:last)
  end

  def test_text_of_known_size_with_line_ends_in_it
    events = events_at_every_split("header 7\na\nb\r\nc\nnext\r\n", -> { Lines.new(receive_line: with_text) })
    assert_equal [[:receive_line, "header 7"], [:receive_binary_data, "a\nb\r\nc\n"], [:receive_end_of_binary_data],
                  [:receive_line, "next"]], events
  end

  def test_text_of_size_zero_calls_no_callback
    assert_equal [[:receive_line, "header 0"], [:receive_line, "next"]],
                 events_at_every_split("header 0\nnext\n", -> { Lines.new(receive_line: with_text) })
  end

  def test_consecutive_texts_without_a_line_between_them
    chain = lambda do |it, data|
      it.set_text_mode(data.size - 1) if data.size > 1
    end
    events = events_at_every_split("header 4\n1234123121x\n", -> { Lines.new(receive_line: with_text, receive_binary_data: chain) })
    assert_equal %w[1234 123 12 1], events.select { |event| event[0] == :receive_binary_data }.map(&:last)
    assert_equal [:receive_line, "x"], events.last
    assert_equal 4, events.count([:receive_end_of_binary_data])
  end

  def test_text_of_unknown_size_comes_as_it_arrives
    parser = Lines.new(receive_line: ->(it, _) { it.set_binary_mode })
    ["go\nab", "c\n", "", "d"].each { |piece| parser.receive_data(piece) }
    assert_equal [[:receive_line, "go"], [:receive_binary_data, "ab"], [:receive_binary_data, "c\n"], [:receive_binary_data, "d"]],
                 parser.events
  end

  def test_surplus_text_that_is_put_back_is_parsed_as_lines_first
    events = assert_same_at_every_split("go\ntext.a\nb\ngo\nmore.c\n") do |pieces|
      joined(Lines.new(**until_dot).tap { |parser| pieces.each { |piece| parser.receive_data(piece) } }.events)
    end
    assert_equal ["go", "text.", "a", "b", "go", "more.", "c"], events.map(&:last)
  end

  def test_data_put_back_is_parsed_before_remaining_data
    script = { receive_line: ->(it, line) { it.set_line_mode("x\ny") if line == "a" } }
    assert_equal %w[a x yb c], events_at_every_split("a\nb\nc\n", -> { Lines.new(**script) }).map(&:last)
    script = { receive_line: ->(it, line) { it.receive_data("x\ny") if line == "a" } }
    assert_equal %w[a x yb c], events_at_every_split("a\nb\nc\n", -> { Lines.new(**script) }).map(&:last)
  end

  def test_data_put_back_is_parsed_once_the_callback_has_returned
    script = { receive_line: ->(it, line) { [it.set_line_mode("x\n"), it.events << [:returned]] if line == "a" } }
    assert_equal ["a", :returned, "x", "b"], events_at_every_split("a\nb\n", -> { Lines.new(**script) }).map(&:last)
  end

  def test_outside_of_callbacks_set_line_mode_parses_at_once_and_drops_an_unfinished_line
    parser = Lines.new
    parser.receive_data("a\nunfinished")
    parser.set_line_mode("b\nc")
    parser.receive_data("d\n")
    assert_equal %w[a b cd], parser.events.map(&:last)
    parser.receive_data("unfinished")
    parser.set_line_mode
    parser.receive_data("e\n")
    assert_equal "e", parser.events.last.last
  end

  def test_outside_of_callbacks_text_begins_with_the_unfinished_line
    parser = Lines.new
    parser.receive_data("abc")
    parser.set_text_mode(2)
    assert_equal [[:receive_binary_data, "ab"], [:receive_end_of_binary_data]], parser.events
    parser.receive_data("\n")
    assert_equal [:receive_line, "c"], parser.events.last
  end

  def test_invalid_sizes_are_refused_and_change_nothing
    parser = Lines.new
    [-1, 1.5, 0.0, "5", 33_554_433, :all, false].each do |size|
      assert_raises(ArgumentError, size.inspect) { parser.set_text_mode(size) }
    end
    parser.receive_data("still lines\n")
    assert_equal [[:receive_line, "still lines"]], parser.events
  end

  def test_the_largest_size_can_be_set
    assert_equal 32 * 1024 * 1024, EM::P::LineText2::MaxBinaryLength
    parser = Lines.new.tap { |it| it.max_binary_length = 3 }
    assert_raises(ArgumentError) { parser.set_text_mode(4) }
    parser.set_text_mode(3)
    parser.receive_data("abcd\n")
    assert_equal [[:receive_binary_data, "abc"], [:receive_end_of_binary_data], [:receive_line, "d"]], parser.events
  end

  def test_unbind_delivers_only_an_unfinished_text_of_known_size
    { "header 5\n123" => [[:receive_binary_data, "123"]], "header 5\n" => [], "line" => [],
      "header 2\n12" => [[:receive_binary_data, "12"], [:receive_end_of_binary_data]] }.each do |input, tail|
      events = events_at_every_split(input, -> { Lines.new(receive_line: with_text) }) { |parser| parser.unbind(nil) }
      assert_equal tail, events.reject { |event| event[0] == :receive_line }, input
    end
    Lines.new.tap { |it| it.set_text_mode && it.receive_data("x") }.unbind
  end

  def test_a_reconnected_object_starts_with_an_empty_buffer
    parser = Lines.new
    parser.receive_data("half")
    parser.unbind(Errno::ECONNRESET)
    parser.receive_data("whole\n")
    assert_equal [[:receive_line, "whole"]], parser.events
    parser.set_text_mode(5)
    parser.receive_data("abc")
    parser.unbind
    parser.receive_data("line\n")
    assert_equal [[:receive_binary_data, "abc"], [:receive_line, "line"]], parser.events.drop(1)
  end

  def test_empty_data_and_nil_change_nothing
    parser = Lines.new
    [nil, "", "a", "", nil, "\r", "", "\n", ""].each { |data| parser.receive_data(data) }
    assert_equal [[:receive_line, "a"]], parser.events
  end

  def test_callbacks_need_not_be_defined_nor_initialize_call_super
    parser = Silent.new(1, 2)
    parser.receive_data("a\nb")
    parser.set_text_mode(3)
    parser.receive_data("cde")
    parser.set_text_mode
    parser.receive_data("f")
    parser.set_line_mode
    parser.max_line_length = 1
    parser.receive_data("abc")
    parser.unbind
  end

  def test_all_bytes_survive_and_all_strings_are_binary_and_belong_to_the_callback
    all = (0..255).to_a.pack("C*")
    line = all.delete("\n")
    events = events_at_every_split("#{line}\nheader 256\n#{all}".b, -> { Lines.new(receive_line: with_text) }, seeds: 3)
    assert_equal [line, "header 256", all], events.map { |event| event[1] }.compact
    assert_equal [Encoding::BINARY], events.map { |event| event[1]&.encoding }.compact.uniq
    refute(events.any? { |event| event[1]&.frozen? })
  end

  def test_characters_split_between_pieces_are_reassembled
    events = events_at_every_split("é€😀\n", -> { Lines.new })
    assert_equal "é€😀", events.first.last.force_encoding("UTF-8")
  end

  def test_callbacks_may_change_what_they_are_given_and_input_is_never_changed
    spoil = ->(_, data) { data.replace("spoilt") }
    pieces = ["a\nb", "c\nheader 3", "\n12", "3x\ny"].map(&:dup)
    copies = pieces.map(&:dup)
    parser = Lines.new(receive_line: ->(it, line) { with_text.call(it, line) && spoil.call(it, line) }, receive_binary_data: spoil)
    pieces.each { |piece| parser.receive_data(piece) && piece.replace("changed later") }
    parser.receive_data("z\n")
    assert_equal ["a", "bc", "header 3", "123", "x", "yz"], parser.events.map { |event| event[1] }.compact
    assert_equal ["a\nb", "c\nheader 3", "\n12", "3x\ny"], copies
  end

  def test_text_of_unknown_size_belongs_to_the_callback
    pieces = [+"abc", "def"]
    parser = Lines.new(receive_binary_data: ->(_, data) { data << "spoilt" })
    parser.set_text_mode
    pieces.each { |piece| parser.receive_data(piece) }
    assert_equal [%w[abc def]] * 2, [pieces, parser.events.map(&:last)]
  end

  # If each line copied the piece, this would take minutes.
  def test_putting_back_in_front_of_a_large_piece_does_not_copy_it
    [";", /;/, /;|,/].each do |delimiter|
      count = 0
      parser = Lines.new(receive_line: ->(it, line) { (count += 1) && line == "a" && it.set_line_mode("b;") && it.events.clear })
      parser.set_delimiter(delimiter)
      parser.receive_data("a;" * 120_000)
      assert_equal 240_000, count
    end
  end

  class Fragile < EM::Connection
    include EM::P::LineText2

    def initialize(received)
      @received = received
    end

    def receive_line(line)
      raise "mine" if line == "bad"

      @received << line
      EM.stop if line == "last"
    end
  end

  def test_lines_after_an_exception_do_not_wait_for_more_data
    received = []
    EM.error_handler { |error| assert_equal "mine", error.message }
    reactor do
      port = port_of(EM.start_server("127.0.0.1", 0, Fragile, received))
      EM.connect("127.0.0.1", port) { |client| client.send_data("a\nbad\nb\nbad\nlast\n") }
    end
    assert_equal %w[a b last], received
  ensure
    EM.error_handler(nil)
  end

  # Its unbind does not call super.
  class Deaf < Fragile
    def receive_line(line)
      close_connection
      super
    end

    def unbind
      @received << :unbound
    end
  end

  def test_a_connection_that_has_ended_gets_no_lines_left_by_an_exception
    received = []
    EM.error_handler {}
    reactor do
      port = port_of(EM.start_server("127.0.0.1", 0, Deaf, received))
      EM.connect("127.0.0.1", port) { |client| client.send_data("bad\nb\nc\n") }
      as_soon_as(-> { received.include?(:unbound) }) { EM.next_tick { EM.next_tick { EM.stop } } }
    end
    assert_equal :unbound, received.last
  ensure
    EM.error_handler(nil)
  end

  def test_a_callback_that_suspends_its_fiber_does_not_block_later_data
    parser = Lines.new(receive_line: ->(_, line) { Fiber.yield if line == "wait" })
    fiber = Fiber.new { parser.receive_data("wait\na\nbe") }
    fiber.resume
    parser.receive_data("gin\nb\n")
    assert_equal %w[wait a begin b], parser.events.map(&:last)
    fiber.resume
    parser.receive_data("c\n")
    assert_equal %w[wait a begin b c], parser.events.map(&:last)
  end

  # As in code that reads like blocking code: the next line is the reply.
  def test_a_suspended_callback_may_wait_for_the_next_line
    answers = []
    asking = nil
    parser = Lines.new(receive_line: lambda do |_, line|
      next asking.resume(line) if asking

      asking = Fiber.current
      answers << Fiber.yield
      asking = nil
    end)
    ["ask\n", "answer\nask\n", "ans", "wer 2\n"].each { |piece| Fiber.new { parser.receive_data(piece) }.resume }
    assert_equal ["answer", "answer 2"], answers
  end

  def test_a_callback_that_is_never_resumed_does_not_stop_reception
    parser = Lines.new(receive_line: ->(*) { Fiber.yield })
    200.times { |i| Fiber.new { parser.receive_data("#{i}\n") }.resume }
    assert_equal (0...200).map(&:to_s), parser.events.map(&:last)
  end

  private

  def lines(input, delimiter: nil)
    make = -> { Lines.new.tap { |parser| parser.set_delimiter(delimiter) if delimiter } }
    events = events_at_every_split(input, make)
    assert_equal [], events.map(&:first).uniq - [:receive_line]
    events.map(&:last)
  end

  # "header 5": five bytes follow.
  def with_text
    lambda do |it, line|
      size = line[/\Aheader (\d+)\z/, 1]
      it.set_text_mode(size.to_i) if size
      true
    end
  end

  # "go": text follows until a dot.
  def until_dot
    { receive_line: ->(it, line) { it.set_text_mode if line == "go" },
      receive_binary_data: lambda do |it, data|
        text, dot, rest = data.partition(".")
        it.events.last[1] = text + dot
        it.set_line_mode(rest) unless dot.empty?
      end }
  end

  # Joins consecutive pieces of text.
  def joined(events)
    events.slice_when { |a, b| a[0] != :receive_binary_data || b[0] != a[0] }.map { |run| [run[0][0], run.map(&:last).join] }
  end
end
