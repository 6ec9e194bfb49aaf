# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

module EventMachine
  module Protocols
    # What saslauthd's protocol is made of: fields, each a length of two bytes, the high one first, and so many bytes.
    # @private
    class SASLauthFields
      # A field is announced that is longer than the limit.
      class TooLong < StandardError; end

      LONGEST = 0xffff
      private_constant :LONGEST

      # @param text [#to_s]
      # @return [String] the field on the wire
      # @raise [ArgumentError] if it is too long for one
      def self.pack(text)
        bytes = text.to_s.b
        raise ArgumentError, "a field has at most #{LONGEST} bytes" if bytes.bytesize > LONGEST

        [bytes.bytesize].pack("n") << bytes
      end

      def initialize
        @buffer = String.new
        @failed = false
      end

      # Takes what has arrived.
      # @param limit [Integer] the longest field, in bytes
      # @yieldparam field [String] each that is complete
      # @raise [TooLong] for a longer one; nothing that follows is looked at
      def add(data, limit)
        return if @failed

        @buffer << data
        while (length = @buffer.unpack1("n"))
          refuse if length > limit
          return if @buffer.bytesize < 2 + length

          yield @buffer.slice!(0, 2 + length).byteslice(2..)
        end
      end

      # Whether more has arrived than was yielded.
      def any?
        !@buffer.empty?
      end

      private

      def refuse
        @failed = true
        @buffer.clear
        raise TooLong
      end
    end
  end
end
