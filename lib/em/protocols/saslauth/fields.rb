# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

module EventMachine
  module Protocols
    # The fields of the saslauthd protocol: a length of two bytes in network byte order, followed by that many bytes.
    # @private
    class SASLauthFields
      # The peer has announced a field that is longer than the limit.
      class TooLong < StandardError; end

      LONGEST = 0xffff
      private_constant :LONGEST

      # @param text [#to_s]
      # @return [String] the encoded field
      # @raise [ArgumentError] if the text is too long for a field
      def self.pack(text)
        bytes = text.to_s.b
        raise ArgumentError, "a field must not exceed #{LONGEST} bytes" if bytes.bytesize > LONGEST

        [bytes.bytesize].pack("n") << bytes
      end

      def initialize
        @buffer = String.new
        @failed = false
      end

      # Adds data that has arrived and yields each complete field.
      # @param limit [Integer] the longest field, in bytes
      # @yieldparam field [String]
      # @raise [TooLong] for a longer field; all data that follows is ignored
      def add(data, limit)
        return if @failed

        @buffer << data
        while (length = @buffer.unpack1("n"))
          refuse if length > limit
          return if @buffer.bytesize < 2 + length

          yield @buffer.slice!(0, 2 + length).byteslice(2..)
        end
      end

      # Whether data is left that has not been yielded.
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
