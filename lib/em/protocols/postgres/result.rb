# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

module EventMachine
  module Protocols
    # What {Postgres3} is made of, and the objects that it hands out.
    module Postgres
      # One column of a result.
      #
      # @!attribute name [String]
      # @!attribute oid [Integer] of the table, 0 if it is none
      # @!attribute attr_nr [Integer] the column's number in the table, 0 if it is none
      # @!attribute type_oid [Integer] of the type
      # @!attribute typlen [Integer] size of the type in bytes, negative if it varies
      # @!attribute atttypmod [Integer] the type's modifier
      # @!attribute formatcode [Integer] 0: text
      Field = Struct.new(:name, :oid, :attr_nr, :type_oid, :typlen, :atttypmod, :formatcode) do
        # @private
        def self.read(payload)
          new(payload.text, payload.int32, payload.int16, payload.int32, payload.int16, payload.int32, payload.int16)
        end
      end

      # What a query has brought. Of several statements, the rows and fields of the last one that had any.
      #
      # @!attribute rows [Array<Array<String, nil>>] the values as text, binary Strings; nil for NULL
      # @!attribute fields [Array<Field>]
      # @!attribute cmd_tag [String, nil] such as "INSERT 0 1"; nil if no statement was completed
      Result = Struct.new(:rows, :fields, :cmd_tag) do
        # @private
        def self.empty
          new([], [], nil)
        end

        # @private
        def describe(payload)
          self.rows = []
          self.fields = Array.new(payload.count) { Field.read(payload) }
        end

        # @private
        def add_row(payload)
          rows << Array.new(payload.count) do
            length = payload.int32
            length == -1 ? nil : payload.bytes(length)
          end
        end
      end

      # An error or a notice of the server: fields by their one-letter codes, see the section "Error and Notice Message
      # Fields" of PostgreSQL's manual.
      class ErrorResponse
        # @return [Hash{String => String}] such as "M" => "division by zero"
        attr_reader :fields

        # @private
        def initialize(payload)
          @fields = {}
          until (code = payload.bytes(1)) == "\0"
            @fields[code] = payload.text
          end
        end

        # @return [Array<String>] all values, in the server's order
        def field_values
          @fields.values
        end

        # @return [String, nil] such as "ERROR"
        def severity
          @fields["S"]
        end

        # @return [String, nil] the SQLSTATE, such as "22012"
        def code
          @fields["C"]
        end

        # @return [String, nil]
        def message
          @fields["M"]
        end

        # @return [String]
        def to_s
          field_values.join("\t")
        end
      end
    end
  end
end
