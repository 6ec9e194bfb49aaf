# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

# Cuts a stream that arrives in pieces into tokens.
#
#   tokenizer = BufferedTokenizer.new("\n")
#   tokenizer.extract("first\nsec")   # => ["first"]
#   tokenizer.extract("ond\n\n")      # => ["second", ""]
#
# Tokens have the encoding of the data. Any delimiter is found wherever the pieces are cut. Needs neither a reactor nor
# the rest of EventMachine.
class BufferedTokenizer
  # @param delimiter [String] what ends a token; `$/` if it is not given, which is "\n" unless the program changed it
  # @param size_limit [Integer, nil] bytes that a token may have, complete or not; nil: any number
  # @raise [ArgumentError] if the delimiter is no String, empty or not valid in its encoding, or the limit no positive
  #   Integer
  def initialize(delimiter = $/, size_limit = nil)
    raise ArgumentError, "the delimiter must be a String" unless delimiter.is_a?(String)
    raise ArgumentError, "the delimiter must not be empty" if delimiter.empty?
    raise ArgumentError, "the delimiter is not valid in #{delimiter.encoding}" unless delimiter.valid_encoding?
    raise ArgumentError, "the size limit must be a positive Integer" unless size_limit.nil? || positive?(size_limit)

    @delimiter = delimiter.dup.freeze
    @overlap = delimiter.bytesize - 1
    @size_limit = size_limit
    @pending = +""
    @full = false
  end

  # Takes a piece of the stream.
  # @param data [String] is not changed
  # @return [Array<String>] the tokens which it completes, oldest first, without delimiters; what is left waits for more
  # @raise [ArgumentError] if data is no String
  # @raise [RuntimeError] "input buffer full" if a token is longer than the size limit, and from then on until {#flush};
  #   what was kept is dropped
  # @raise [Encoding::CompatibilityError] if data does not go together with what waits; then it counts as not given
  def extract(data)
    raise ArgumentError, "the data must be a String" unless data.is_a?(String)

    refuse if @full
    return [] if data.empty?

    tokens = ends_in?(data) ? split(@pending.empty? ? data : @pending + data) : [wait_for(data)]
    refuse if @size_limit && too_long?(tokens)
    @pending = tokens.pop
    tokens
  end

  # @return [String] what waits for its delimiter; it is forgotten
  def flush
    pending = @pending
    @pending = +""
    @full = false
    pending
  end

  private

  def positive?(limit)
    limit.is_a?(Integer) && limit.positive?
  end

  # Whether a delimiter ends in this data. What was searched before is not searched again.
  def ends_in?(data)
    return data.include?(@delimiter) if @overlap.zero? || @pending.empty?

    (last_bytes + data).include?(@delimiter)
  end

  # A copy: after a slice that reaches to the end, all that waits would be copied when more is added.
  def last_bytes
    start = [@pending.bytesize - @overlap, 0].max
    @pending.unpack1("@#{start}a*").force_encoding(@pending.encoding)
  end

  # @return [Array<String>] the tokens, and behind them what is not complete
  def split(text)
    # Where the delimiter is a blank, String#split has a meaning of its own.
    tokens = @delimiter == " " ? split_at_blanks(text) : text.split(@delimiter, -1)
    # A copy, because a slice would keep the whole text alive.
    tokens << (text.byteslice(0, 0) << tokens.pop)
  end

  def split_at_blanks(text)
    tokens = text.lines(" ", chomp: true)
    text.end_with?(" ") ? tokens << "" : tokens
  end

  def wait_for(data)
    @pending.empty? ? data.dup : @pending << data
  end

  # The last one may end in the beginning of a delimiter.
  def too_long?(tokens)
    tokens.last.bytesize - @overlap > @size_limit || tokens[0...-1].any? { |token| token.bytesize > @size_limit }
  end

  # What cannot be cut is not kept, and what follows is not the beginning of a token.
  def refuse
    flush
    @full = true
    raise "input buffer full"
  end
end
