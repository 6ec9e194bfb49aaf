# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# The network may split a stream anywhere: a parser must return the same result for every split.

module Segmentation
  # Yields the input split in every way: whole, byte by byte, in twos and in threes, in two parts at every position, and
  # at random positions. All pieces are frozen.
  # @param input [String]
  # @yieldparam pieces [Array<String>] which joined are the input
  def each_segmentation(input, seeds: 20)
    input = input.b
    [input.bytesize, 1, 2, 3].uniq.each { |size| yield pieces_of(input, size) unless size.zero? }
    (1...input.bytesize).each { |cut| yield [input.byteslice(0, cut).freeze, input.byteslice(cut..).freeze] }
    seeds.times { |seed| yield random_pieces(input, Random.new(seed)) }
  end

  # @yieldparam pieces [Array<String>]
  # @yieldreturn [Object] the parser's result, which must be equal for all segmentations
  # @return [Object] that result
  def assert_same_at_every_split(input, **options)
    expected = nil
    each_segmentation(input, **options) do |pieces|
      result = yield pieces
      expected = [result] unless expected
      assert_equal expected.first, result, "cut into pieces of #{pieces.map(&:bytesize).first(20)} bytes"
    end
    expected&.first
  end

  # @return [Array<String>] pieces of this size; the last one may be shorter
  def pieces_of(input, size)
    (0...input.bytesize).step(size).map { |start| input.byteslice(start, size).freeze }
  end

  # @return [Array<String>] pieces of 1 to 40 bytes
  def random_pieces(input, random)
    pieces = []
    start = 0
    while start < input.bytesize
      pieces << input.byteslice(start, 1 + random.rand(40)).freeze
      start += pieces.last.bytesize
    end
    pieces
  end
end
