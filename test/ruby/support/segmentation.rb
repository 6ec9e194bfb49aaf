# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# The network cuts a stream where it likes: a parser must make the same of it wherever that is.

module Segmentation
  # Gives the block the input in pieces of every kind: whole, byte by byte, by two and by three bytes, cut in two at
  # every position, and cut at random places. All pieces are frozen.
  # @param input [String]
  # @yieldparam pieces [Array<String>] which joined give the input
  def each_segmentation(input, seeds: 20)
    input = input.b
    [input.bytesize, 1, 2, 3].uniq.each { |size| yield pieces_of(input, size) unless size.zero? }
    (1...input.bytesize).each { |cut| yield [input.byteslice(0, cut).freeze, input.byteslice(cut..).freeze] }
    seeds.times { |seed| yield random_pieces(input, Random.new(seed)) }
  end

  # @yieldparam pieces [Array<String>]
  # @yieldreturn [Object] what the parser made of them; must be equal for all segmentations
  # @return [Object] that
  def assert_same_at_every_split(input, **options)
    expected = nil
    each_segmentation(input, **options) do |pieces|
      result = yield pieces
      expected = [result] unless expected
      assert_equal expected.first, result, "cut into pieces of #{pieces.map(&:bytesize).first(20)} bytes"
    end
    expected&.first
  end

  # @return [Array<String>] of the size given, the last one of what is left
  def pieces_of(input, size)
    (0...input.bytesize).step(size).map { |start| input.byteslice(start, size).freeze }
  end

  # @return [Array<String>] of 1 to 40 bytes
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
