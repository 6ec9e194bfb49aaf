# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

module EventMachine
  module Protocols
    module ObjectProtocol
      # Marshal for untrusted data. It writes what Marshal writes, but reads plain data only: nil, true, false,
      # Integers, Floats, Strings, Symbols, and Arrays and Hashes of these. Everything else could run code of the
      # sender's choice, and is refused before any object is created.
      #
      # Marshal's format 4.8 is described in Ruby's documentation (marshal.rdoc).
      class PlainMarshal
        VERSION = "\x04\x08".b.freeze

        # How deeply Arrays and Hashes may be nested.
        DEEPEST = 100
        # How deeply Hashes may be nested as keys within keys: the content of the innermost is hashed once for each
        # level.
        DEEPEST_KEY = 4
        # The most bytes of texts and numbers that links within keys may repeat in total: each is hashed again.
        MOST_REPEATED = 256 * 1024 * 1024

        # The most values that an object may consist of: a million takes most of a second to check, and the reactor
        # waits.
        MOST_VALUES = 1_000_000

        TYPES = Array.new(256) { |byte| byte.chr.freeze }.freeze

        # The names of refused types, for the error.
        OTHERS = {
          "o" => "object", "u" => "object", "U" => "object", "d" => "object", "S" => "Struct", "c" => "Class",
          "m" => "Module", "M" => "Module", "e" => "extended object", "C" => "subclass of a core class", "/" => "Regexp"
        }.freeze
        private_constant :VERSION, :TYPES, :DEEPEST, :DEEPEST_KEY, :MOST_REPEATED, :MOST_VALUES, :OTHERS

        class << self
          # @param object [Object]
          # @return [String]
          # @raise [TypeError] see Marshal.dump
          def dump(object)
            Marshal.dump(object)
          end

          # @param data [String]
          # @return [nil, Boolean, Integer, Float, String, Symbol, Array, Hash]
          # @raise [ArgumentError] if the data is not plain, is nested more than 100 deep, has more than a million
          #   values, is broken, is followed by more, or has keys that take long to hash
          def load(data)
            new(data).check
            Marshal.load(data)
          rescue TypeError, EOFError => e
            raise ArgumentError, e.message
          end
        end

        # @param data [String]
        def initialize(data)
          @data = data.b
          @position = 0
          @values = 0
          @symbols = []
          @sizes = [] # of the values that links may refer to, in bytes; nil for Arrays, Hashes and NaN
          @repeated = 0
          @keys = 0 # the number of keys that the current value is part of
        end

        # Walks through the data without creating any object of it.
        # @return [void]
        # @raise [ArgumentError]
        def check
          raise ArgumentError, "marshal data too short" if @data.bytesize < 3
          raise ArgumentError, "not in Marshal's format 4.8" unless take(2) == VERSION

          value(0)
          raise ArgumentError, "data after the object" unless left.zero?
        end

        private

        def left
          @data.bytesize - @position
        end

        def byte
          value = @data.getbyte(@position)
          raise ArgumentError, "marshal data too short" unless value

          @position += 1
          value
        end

        # @return [String] the next byte
        def type
          TYPES[byte]
        end

        def skip(bytes)
          @position += checked(bytes)
        end

        def take(bytes)
          skip(bytes)
          @data.byteslice(@position - bytes, bytes)
        end

        def value(depth)
          raise ArgumentError, "nested more than #{DEEPEST} deep" if depth > DEEPEST
          raise ArgumentError, "more than #{MOST_VALUES} values" if (@values += 1) > MOST_VALUES

          case type = self.type
          when "0", "T", "F" then nil
          when "i" then integer
          when "@" then link
          when ";" then symbol_link
          when ":" then symbol
          when "I" then encoded_text
          else object(type, depth)
          end
        end

        # A value that a link may refer to.
        def object(type, depth)
          @sizes << nil
          case type
          when "\"" then text
          when "f" then float
          when "l" then big_integer
          when "[" then checked(length).times { value(depth + 1) }
          when "{" then pairs(depth)
          when "}" then pairs(depth) && value(depth + 1)
          else refuse(type)
          end
        end

        def text
          skip(@sizes[-1] = length)
        end

        def pairs(depth)
          (checked(length * 2) / 2).times do
            key { value(depth + 1) }
            value(depth + 1)
          end
        end

        # Every value takes at least a byte, so a count that exceeds the remaining bytes is refused before an Array is
        # created.
        def checked(number)
          raise ArgumentError, "marshal data too short" if number > left

          number
        end

        def key
          @keys += 1
          raise ArgumentError, "keys of Hashes nested more than #{DEEPEST_KEY} deep" if @keys > DEEPEST_KEY

          yield
          @keys -= 1
        end

        # NaN does not equal itself. As keys, NaNs all have the same hash, and each one is compared with all earlier
        # ones.
        def float
          text = take(length)
          return @sizes[-1] = text.bytesize unless text.start_with?("nan")

          raise ArgumentError, "NaN within a key of a Hash refused" if @keys.positive?
        end

        # Nested Arrays that contain the next one twice are small, but take forever to hash.
        def link
          size = @sizes.fetch(length) { raise ArgumentError, "broken link" }
          return unless @keys.positive?
          raise ArgumentError, "link within a key of a Hash refused" unless size

          @repeated += size
          raise ArgumentError, "links within keys of Hashes repeat too much" if @repeated > MOST_REPEATED
        end

        def symbol
          take(length).tap { |name| @symbols << name }
        end

        def symbol_link
          index = integer
          raise ArgumentError, "broken link" unless index.between?(0, @symbols.size - 1)

          @symbols[index]
        end

        def refuse(type)
          name = OTHERS[type]
          raise ArgumentError, name ? "#{name} refused: not plain data" : "unknown type #{type.inspect}"
        end

        def big_integer
          raise ArgumentError, "unknown sign" unless %w[+ -].include?(type)

          skip(@sizes[-1] = length * 2)
        end

        # A String or Symbol with its encoding, the only instance variable that is allowed.
        def encoded_text
          case type
          when "\"" then object("\"", 0)
          when ":" then symbol
          else raise ArgumentError, "object with instance variables refused: not plain data"
          end
          raise ArgumentError, "text with instance variables refused: not plain data" unless length == 1 && encoding?(type)

          encoding_value
        end

        def encoding?(type)
          %w[E encoding].include?(type == ":" ? symbol : type == ";" && symbol_link)
        end

        def encoding_value
          case type
          when "T", "F" then nil
          when "\"" then known_encoding
          when "@" then link
          else raise ArgumentError, "broken encoding"
          end
        end

        def known_encoding
          name = take(length)
          @sizes << name.bytesize
          raise ArgumentError, "unknown encoding" unless Encoding.name_list.include?(name)
        end

        def length
          number = integer
          raise ArgumentError, "negative length" if number.negative?

          number
        end

        # Small numbers are stored in the byte itself, larger ones in as many bytes as it says, the lowest first.
        def integer
          byte = self.byte
          byte -= 256 if byte > 127
          return byte.positive? ? byte - 5 : byte + 5 if byte.abs > 4

          byte.zero? ? 0 : long_integer(byte)
        end

        def long_integer(bytes)
          number = 0
          bytes.abs.times { |index| number |= byte << (8 * index) }
          bytes.negative? ? number - (1 << (8 * bytes.abs)) : number
        end
      end
    end
  end
end
