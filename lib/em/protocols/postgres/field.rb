# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

module EventMachine
  module Protocols
    class Postgres3 < Connection
      # Describes one column of a result.
      #
      # @!attribute name
      #   @return [String] binary, in the client's encoding
      # @!attribute oid
      #   @return [Integer] the object id of the table; 0 if the column is computed
      # @!attribute attr_nr
      #   @return [Integer] the column's number in its table, or 0
      # @!attribute type_oid
      #   @return [Integer] the object id of the type: 23 for int4, 25 for text, … (pg_type.oid)
      # @!attribute typlen
      #   @return [Integer] the size of a value inside the server in bytes; negative if it varies
      # @!attribute atttypmod
      #   @return [Integer] the type modifier, for example the n of varchar(n) plus 4; -1 for none
      # @!attribute formatcode
      #   @return [Integer] 0, which means text
      Field = Struct.new(:name, :oid, :attr_nr, :type_oid, :typlen, :atttypmod, :formatcode)

      class Field
        # @param payload [String] of a RowDescription
        # @return [Array<Field>]
        # @raise [ProtocolError]
        def self.parse_all(payload)
          reader = Payload.new(payload)
          fields = Array.new(reader.count) { read(reader) }
          reader.finish
          fields
        end

        def self.read(reader)
          new(reader.string, unsigned(reader), reader.int16, unsigned(reader), reader.int16, reader.int32, reader.int16)
        end
        private_class_method :read

        def self.unsigned(reader)
          reader.int32 & 0xffffffff
        end
        private_class_method :unsigned
      end
    end
  end
end
