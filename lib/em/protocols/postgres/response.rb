# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

module EventMachine
  module Protocols
    class Postgres3 < Connection
      # An error or a notice, sent as fields that consist of a letter and a text. The texts are binary, in the client's
      # encoding.
      class Response
        # @return [Hash{String => String}] the texts by letter: "S" severity, "C" SQLSTATE, "M" message, "D" detail, "H"
        #   hint, "P" position, …
        attr_reader :fields

        # @param payload [String] of an ErrorResponse or NoticeResponse
        # @return [Response]
        # @raise [ProtocolError]
        def self.parse(payload)
          reader = Payload.new(payload)
          fields = {}
          until (code = reader.byte).zero?
            fields[code.chr] = reader.string
          end
          reader.finish
          new(fields)
        end

        # @param fields [Hash{String => String}]
        def initialize(fields)
          @fields = fields.freeze
        end

        # @param letter [String] the field's letter
        # @return [String, nil]
        def [](letter)
          @fields[letter]
        end

        # The values in the order in which they were sent. The first one stands alone, the others follow their letters,
        # as existing programs expect: "ERROR", "C42601", "Msyntax error at …".
        # @return [Array<String>]
        def field_values
          @fields.each_with_index.map { |(letter, value), i| i.zero? ? value : "#{letter}#{value}" }
        end

        # @return [String, nil] ERROR, FATAL, PANIC, WARNING, NOTICE, DEBUG, INFO or LOG, whatever the server's language
        def severity
          @fields["V"] || @fields["S"]
        end

        # @return [String, nil] five characters, as in the manual's appendix of error codes: "42601"
        def sqlstate
          @fields["C"]
        end

        # @return [String, nil]
        def message
          @fields["M"]
        end

        # @return [String, nil]
        def detail
          @fields["D"]
        end

        # @return [String, nil]
        def hint
          @fields["H"]
        end

        # @return [String] "ERROR: division by zero (22012)"
        def to_s
          "#{severity}: #{message} (#{sqlstate})"
        end
      end

      # An error reported by the server. The statements that follow it in the same query were not run.
      class ErrorResponse < Response; end

      # A warning or a notice.
      class NoticeResponse < Response; end
    end
  end
end
