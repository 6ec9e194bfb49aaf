# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

# Cuts a stream that arrives in pieces into tokens.
#
#   tokenizer = BufferedTokenizer.new("\n")
#   tokenizer.extract("first\nsec")   # => ["first"]
#   tokenizer.extract("ond\n\n")      # => ["second", ""]
#
# Tokens keep the encoding of the data. A delimiter is found even if it is split between two pieces. The class needs
# neither a reactor nor the rest of EventMachine.
class BufferedTokenizer
  # @param delimiter [String] the text that ends a token; `$/` by default, which is "\n" unless the program has changed
  #   it
  # @param size_limit [Integer, nil] the most bytes that a token may have, complete or not; nil for no limit
  # @raise [ArgumentError] if the delimiter is not a String, is empty or is not valid in its encoding, or if the limit
  #   is not a positive Integer
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

  # Adds a piece of the stream and returns the tokens that it completes.
  # @param data [String] is not changed
  # @return [Array<String>] the complete tokens, oldest first, without delimiters; an unfinished token is kept
  # @raise [ArgumentError] if data is not a String
  # @raise [RuntimeError] "input buffer full" if a token is longer than the size limit. The pending data is dropped, and
  #   every further call raises until {#flush}.
  # @raise [Encoding::CompatibilityError] if the encoding of data is not compatible with that of the pending data, which
  #   then stays as it was
  def extract(data)
    raise ArgumentError, "the data must be a String" unless data.is_a?(String)

    refuse if @full
    return [] if data.empty?

    tokens = ends_in?(data) ? split(@pending.empty? ? data : @pending + data) : [wait_for(data)]
    refuse if @size_limit && too_long?(tokens)
    @pending = tokens.pop
    tokens
  end

  # Empties the buffer.
  # @return [String] the unfinished token that was pending, or ""
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

  # Whether a delimiter ends in this data. Bytes that were searched before are not searched again.
  def ends_in?(data)
    return data.include?(@delimiter) if @overlap.zero? || @pending.empty?

    (last_bytes + data).include?(@delimiter)
  end

  # A copy, because a slice that reaches the end would share the buffer, and the next append would copy all of it.
  def last_bytes
    start = [@pending.bytesize - @overlap, 0].max
    @pending.unpack1("@#{start}a*").force_encoding(@pending.encoding)
  end

  # @return [Array<String>] the complete tokens, followed by the unfinished one
  def split(text)
    # String#split treats a single space as "any white space".
    tokens = @delimiter == " " ? split_at_blanks(text) : text.split(@delimiter, -1)
    # A copy, because a slice would keep the whole text in memory.
    tokens << (text.byteslice(0, 0) << tokens.pop)
  end

  def split_at_blanks(text)
    tokens = text.lines(" ", chomp: true)
    text.end_with?(" ") ? tokens << "" : tokens
  end

  def wait_for(data)
    @pending.empty? ? data.dup : @pending << data
  end

  # The unfinished token may end with the first bytes of a delimiter.
  def too_long?(tokens)
    tokens.last.bytesize - @overlap > @size_limit || tokens[0...-1].any? { |token| token.bytesize > @size_limit }
  end

  # Nothing is kept, and further data is refused, because it would not start at the beginning of a token.
  def refuse
    flush
    @full = true
    raise "input buffer full"
  end
end
