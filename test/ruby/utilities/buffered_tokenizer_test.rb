# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# BufferedTokenizer: the same tokens wherever the stream is split, in linear time.

require "test_helper"
require "support/segmentation"
require "open3"

class BufferedTokenizerTest < ReactorTest
  include Segmentation

  self.time_limit = 60

  def test_tokens_have_no_delimiters_and_an_unfinished_token_is_kept
    tokenizer = BufferedTokenizer.new
    assert_equal %w[a b], tokenizer.extract("a\nb\nc")
    assert_equal ["cd", "", ""], tokenizer.extract("d\n\n\n")
    assert_equal [], tokenizer.extract("e")
    assert_equal "e", tokenizer.flush
    assert_equal "", tokenizer.flush
    assert_equal ["f"], tokenizer.extract("f\n")
  end

  def test_a_carriage_return_is_not_part_of_the_delimiter
    assert_equal ["a\r", "\r"], BufferedTokenizer.new.extract("a\r\n\r\n")
  end

  def test_any_delimiter_is_found_wherever_the_stream_is_split
    { "\n" => "a\nbc\n\nd", "\r\n" => "a\r\nb\rc\nd\r\r\n\r\n", "aab" => "aaabaabaaaabx", "abab" => "ababababaababxabab", "aa" => "aaaaabaaa",
      "END" => "ENENDENDEENDED" }.each do |delimiter, stream|
      expected = naive(stream, delimiter)
      tokens = assert_same_at_every_split(stream) { |pieces| cut(pieces, delimiter) }
      assert_equal expected, tokens, delimiter
    end
  end

  def test_random_streams_of_few_letters
    random = Random.new(9)
    200.times do
      delimiter = Array.new(1 + random.rand(4)) { %w[a b].sample(random: random) }.join
      stream = Array.new(60) { %w[a b c].sample(random: random) }.join
      pieces = random_pieces(stream, random)
      assert_equal naive(stream, delimiter), cut(pieces, delimiter), [delimiter, pieces].inspect
    end
  end

  def test_a_space_is_a_delimiter_like_any_other
    assert_equal [["", "a", "", "b\tc\nd", ""], "e"], cut([" a  b\tc\nd", "  e"], " ")
    assert_equal [["é".b[0]], ""], cut(["é".b[0], " "], " ")
    assert_equal ["a", "\xFF"], BufferedTokenizer.new(" ").extract("a \xFF ")
  end

  def test_invalid_delimiters_are_refused
    ["", nil, /\n/, 1, :x, "\xFF", "\r\xC3"].each { |delimiter| assert_raises(ArgumentError) { BufferedTokenizer.new(delimiter) } }
  end

  def test_changing_the_callers_delimiter_string_has_no_effect
    delimiter = +";"
    tokenizer = BufferedTokenizer.new(delimiter)
    delimiter << "x"
    assert_equal ["a"], tokenizer.extract("a;b")
  end

  def test_an_empty_piece_changes_nothing
    ["\n", "ab", "abc"].each do |delimiter|
      pieces = ["", "x", "", delimiter[0], "", *delimiter[1..].chars, "", "y", ""]
      assert_equal [["x"], "y"], cut(pieces, delimiter)
    end
  end

  def test_anything_but_a_string_is_refused_and_nothing_is_lost
    tokenizer = BufferedTokenizer.new
    tokenizer.extract("a")
    [nil, 1, :b].each { |data| assert_raises(ArgumentError) { tokenizer.extract(data) } }
    assert_equal ["ab"], tokenizer.extract("b\n")
  end

  def test_tokens_keep_the_encoding_of_the_data
    assert_equal [Encoding::UTF_8, Encoding::BINARY],
                 ["é\n", "é\n".b].map { |data| BufferedTokenizer.new.extract(data).first.encoding }
    assert_equal ["é"], cut("é\n".b.bytes.map { |byte| byte.chr.force_encoding("UTF-8") }, "\n").first
    assert_equal %w[a b], BufferedTokenizer.new("é").extract("aébé")
  end

  def test_data_of_an_incompatible_encoding_is_refused_and_changes_nothing
    tokenizer = BufferedTokenizer.new
    tokenizer.extract("é")
    ["\xFF".b, "\xFF\n".b].each { |data| assert_raises(Encoding::CompatibilityError) { tokenizer.extract(data) } }
    assert_equal ["éa"], tokenizer.extract("a\n")
  end

  def test_every_byte_value_survives
    all = (0..255).to_a.pack("C*").delete("\n")
    assert_equal [[all], all], cut(pieces_of("#{all}\n#{all}".b, 7), "\n")
  end

  def test_neither_input_nor_returned_tokens_are_modified
    first = +"ab"
    tokenizer = BufferedTokenizer.new("--")
    tokenizer.extract(first)
    tokens = tokenizer.extract("c--d".freeze)
    rest = tokenizer.flush
    tokenizer.extract("e")
    first << "x"
    tokens.first << "y"
    assert_equal ["abx", ["abcy"], "d", "e"], [first, tokens, rest, tokenizer.flush]
    refute_predicate rest, :frozen?
  end

  def test_the_size_limit_counts_the_bytes_of_tokens_at_every_split
    ["\n", "\r\n", "END"].each do |delimiter|
      exact = "12345#{delimiter}é345#{delimiter}12345".b
      assert_same_at_every_split(exact) { |pieces| cut(pieces, delimiter, 5) }
      ["123456#{delimiter}", "1#{delimiter}123456#{delimiter}1#{delimiter}"].each do |stream|
        full = assert_same_at_every_split(stream) { |pieces| assert_raises(RuntimeError) { cut(pieces, delimiter, 5) }.message }
        assert_equal "input buffer full", full
      end
    end
  end

  def test_a_token_beyond_the_limit_is_not_kept
    tokenizer = BufferedTokenizer.new("\n", 1000)
    assert_equal [], tokenizer.extract("x" * 1000)
    2.times { assert_raises(RuntimeError) { tokenizer.extract("y") } }
    assert_raises(RuntimeError) { tokenizer.extract("\nz\n") }
    assert_equal "", tokenizer.flush
    assert_equal ["z"], tokenizer.extract("z\n")
  end

  def test_invalid_size_limits_are_refused
    [0, -1, 1.5, "5", false].each { |limit| assert_raises(ArgumentError) { BufferedTokenizer.new("\n", limit) } }
  end

  def test_a_hundred_thousand_tokens_in_one_piece
    assert_equal 100_000, BufferedTokenizer.new("\r\n").extract("line\r\n" * 100_000).size
  end

  # If each piece caused a search from the beginning or a copy of all earlier data, this would take hours.
  def test_a_long_token_in_many_small_pieces
    ["\n", "\r\n", "\r\n--#{'boundary' * 8}"].each do |delimiter|
      tokenizer = BufferedTokenizer.new(delimiter)
      300_000.times { tokenizer.extract("é234567890") }
      assert_equal [300_000 * 11], tokenizer.extract(delimiter).map(&:bytesize)
    end
  end

  def test_tokens_do_not_keep_the_memory_of_the_data_they_came_from
    program = <<~RUBY
      require "em/buftok"
      rss = -> { File.read("/proc/self/statm").split[1].to_i * 4096 }
      kept = []
      read = ->(i) { "short token number \#{i} of the table\\n" + "x" * 65_536 + "\\nsome rest that stays behind \#{i}" }
      before = rss.call
      10_000.times { |i| t = BufferedTokenizer.new; kept << t << t.extract(read.call(i)).first }
      GC.start
      print rss.call - before
    RUBY
    grown, status = Open3.capture2(RbConfig.ruby, "-W0", "-I", Children::LIBRARY, "-e", program)
    assert_predicate status, :success?
    assert_operator grown.to_i, :<, 200_000_000
  end

  def test_it_loads_alone_and_without_warnings
    program = 'require "em/buftok"; print BufferedTokenizer.new.extract("a\n").first; print defined?(EventMachine).inspect'
    output, = Open3.capture2e(RbConfig.ruby, "-w", "--enable=frozen-string-literal", "-I", Children::LIBRARY, "-e", program)
    assert_equal "anil", output
  end

  private

  # @return [Array] the tokens and the unfinished one
  def cut(pieces, delimiter, limit = nil)
    tokenizer = BufferedTokenizer.new(delimiter, limit)
    [pieces.flat_map { |piece| tokenizer.extract(piece) }, tokenizer.flush]
  end

  def naive(stream, delimiter)
    tokens = []
    while (found = stream.index(delimiter))
      tokens << stream[0, found]
      stream = stream[(found + delimiter.size)..]
    end
    [tokens, stream]
  end
end
