# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

module EventMachine
  module Protocols
    class Postgres3 < Connection
      # The result of a query.
      class Result
        # The result of one of several statements in a query.
        Statement = Struct.new(:rows, :fields, :cmd_tag)

        # The approximate size of a Ruby object besides its content, in bytes.
        OBJECT_BYTES = 40
        NULL_LENGTH = -1

        # @return [Array<Array<String, nil>>] the rows of all statements, one after the other. Values are binary Strings
        #   in text format; NULL is nil.
        attr_reader :rows
        # @return [Array<Field>] the columns of the last statement that has any
        attr_reader :fields
        # @return [String, nil] what the last statement did: "SELECT 3", "INSERT 0 1"; nil if none was completed
        attr_reader :cmd_tag
        # @return [Array<Statement>] the completed statements, each with its own rows, fields and cmd_tag
        attr_reader :statements

        # @param max_bytes [Numeric] the approximate memory that the result may take
        def initialize(max_bytes = Float::INFINITY)
          @max_bytes = max_bytes
          @bytes = 0
          @fields = []
          @statements = []
          begin_statement
        end

        # @param payload [String] of a RowDescription
        # @raise [ProtocolError] as in all methods below
        def describe(payload)
          @fields = @own_fields = Field.parse_all(payload)
          charge(payload, @fields.size)
        end

        # @param payload [String] of a DataRow
        def add_row(payload)
          row = parse_row(payload)
          charge(payload, row.size)
          @own_rows << row
        end

        # @param payload [String] of a CommandComplete
        def complete(payload)
          reader = Payload.new(payload)
          @cmd_tag = reader.string
          reader.finish
          charge(payload, 1)
          @statements << Statement.new(@own_rows, @own_fields, @cmd_tag)
          begin_statement
        end

        # Adds to the memory that the result takes.
        # @raise [ProtocolError] if it is too much
        def charge(payload, objects)
          @bytes += payload.bytesize + ((objects + 1) * OBJECT_BYTES)
          raise ProtocolError, "result is larger than #{@max_bytes} bytes" if @bytes > @max_bytes
        end

        # Completes the result.
        # @return [self]
        def finish
          parts = [*@statements.map(&:rows), @own_rows].reject(&:empty?)
          @rows = parts.size > 1 ? parts.flatten(1) : parts.first || []
          self
        end

        private

        def begin_statement
          @own_fields = []
          @own_rows = []
        end

        def parse_row(payload)
          reader = Payload.new(payload)
          row = Array.new(reader.count) do
            length = reader.int32
            length == NULL_LENGTH ? nil : reader.take(length)
          end
          reader.finish
          row
        end
      end
    end
  end
end
