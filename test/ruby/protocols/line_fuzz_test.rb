# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# Compares LineText2 with a model that has all the input at once and processes it byte by byte. The input itself says
# what the callbacks do between any two lines: change the mode or the delimiter, put back data, call receive_data,
# raise, throw.

require "test_helper"
require "support/parsed"

class LineFuzzTest < ReactorTest
  include Parsed

  SEEDS = 300
  LONGEST = 20

  self.time_limit = 60

  # The commands in lines, which the receiver executes.
  module Orders
    DELIMITERS = ["\n", ";", "\r\n", "aab", " "].freeze

    def follow(line)
      case line[/[A-Z]\d?/]
      when "R" then raise "oops"
      when "W" then throw :out
      when "L" then set_line_mode
      when "B" then set_line_mode(line.delete("A-Z"))
      when "C" then receive_data("#{line.delete('A-Z')};")
      when /T(\d)/ then set_text_mode($1.to_i)
      when /D(\d)/ then set_delimiter(DELIMITERS[$1.to_i % DELIMITERS.size])
      when /U(\d)/ then (@wanted = $1.to_i) && set_text_mode
      end
    end
  end

  class Ours
    include EM::P::LineText2
    include Orders
    attr_reader :events

    def initialize(batches: true)
      @events = []
      self.max_line_length = LONGEST
      @parsing_input = EM::P::InputBuffer.new(largest_batch: 0) unless batches
    end

    def receive_line(line)
      @events << [:line, line]
      follow(line)
    end

    # Of text of unknown size, the receiver takes a few bytes or everything.
    def receive_binary_data(data)
      return @events << [:text, data] && follow(data) if @lt2_text_size.nil?

      data.each_char.with_index do |char, index|
        return set_line_mode(data.byteslice(index..)) if @wanted.zero?

        @events << [:char, char]
        @wanted -= 1
      end
    end

    def receive_end_of_binary_data
      @events << [:end]
    end

    def receive_error(text)
      @events << [:error, text]
    end
  end

  # The model: the same in the simplest way.
  class Model
    include Orders
    attr_reader :events

    def initialize(input)
      @input = input.dup
      @events = []
      @delimiter = "\n"
    end

    def run
      catch(:end) { loop { step } }
      @events
    end

    def step
      catch(:out) do
        case @size
        when nil then line
        when :any then chars
        else text
        end
      end
    rescue RuntimeError
      nil
    end

    def line
      line, delimiter, rest = @input.partition(@delimiter)
      throw :end if delimiter.empty? && line.bytesize - unfinished(line) <= LONGEST
      line = line.delete_suffix("\r") if @delimiter == "\n"
      (@events << [:error, "overlength line"]) && throw(:end) if line.bytesize > LONGEST
      @input = rest
      @events << [:line, line]
      follow(line)
    end

    # How many bytes of the line may belong to the delimiter.
    def unfinished(line)
      return @delimiter.bytesize - 1 unless @delimiter == "\n"

      line.end_with?("\r") ? 1 : 0
    end

    def chars
      return @size = nil if @wanted.zero? && !@input.empty?

      throw :end if @input.empty?
      @wanted -= 1
      @events << [:char, @input.slice!(0)]
    end

    def text
      throw :end if @input.bytesize < @size
      data = @input.slice!(0, @size)
      @size = nil
      @events << [:text, data]
      follow(data)
      @events << [:end]
    end

    def set_line_mode(data = "")
      @size = nil
      receive_data(data)
    end

    def receive_data(data)
      @input = data + @input
    end

    def set_text_mode(size = :any)
      @size = size.zero? ? nil : size
    rescue NoMethodError
      @size = :any
    end

    def set_delimiter(delimiter)
      @delimiter = delimiter
    end
  end

  def test_commands_of_all_kinds_at_random_splits_with_and_without_batches
    SEEDS.times do |seed|
      random = Random.new(seed)
      input = stream(random, ["\n", ";", "\r\n", "aab", " ", "\r", "a", "ab", "xyz", "R", "W", "L", "B", "C", "T3", "T1", "T0", "D0", "D1", "D2",
                              "D3", "D4", "U2", "U0", "\n", "\n", ";", "\xFF".b])
      expected = Model.new(input).run
      [[input], pieces_of(input, 1), random_pieces(input, random), random_pieces(input, random)].each do |pieces|
        [true, false].each { |batches| assert_equal expected, events(pieces, batches), "seed #{seed}: #{input.inspect}" }
      end
    end
  end

  def test_many_lines_and_few_commands
    60.times do |seed|
      random = Random.new(seed)
      input = stream(random, ["a\n"] * 20 + ["bcd\r\n"] * 20 + ["\n", "T5\n", "L\n", "R\n", "B\n", "U3\n", "D1\n", "a;", "D0;"], 600)
      expected = Model.new(input).run
      [[input], random_pieces(input, random), pieces_of(input, 200)].each { |pieces| assert_equal expected, events(pieces, true), "seed #{seed}" }
    end
  end

  def test_random_data
    100.times do |seed|
      random = Random.new(seed)
      input = random.bytes(2000).tr("\x00-\x20", "\n").delete("A-Z")
      expected = Model.new(input).run
      assert_equal expected, events(random_pieces(input, random), true), "seed #{seed}"
    end
  end

  private

  def stream(random, parts, size = 60)
    Array.new(size) { parts.sample(random: random).b }.join
  end

  # Input after an exception is parsed with the next data. At the end, that data is empty.
  def events(pieces, batches)
    parser = Ours.new(batches: batches)
    pieces.each { |piece| attempt { parser.receive_data(piece) } }
    nil until attempt { parser.__send__(:parsing_run) { parser.__send__(:lt2_receive_next) } || true }
    parser.events
  end

  # @return [Boolean] whether no exception was raised
  def attempt
    catch(:out) { return yield }
    false
  rescue RuntimeError
    false
  end
end
