# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "json"

module EventMachine
  module Protocols
    module ObjectProtocol
      # A serializer that programs in other languages understand, and that never creates objects of the sender's choice.
      # Symbols arrive as Strings.
      module JSON
        # @return [String]
        # @raise [::JSON::GeneratorError]
        def self.dump(object)
          ::JSON.generate(object)
        end

        # @param text [String] UTF-8
        # @return [nil, Boolean, Numeric, String, Array, Hash]
        # @raise [::JSON::ParserError]
        def self.load(text)
          ::JSON.parse(text.dup.force_encoding(Encoding::UTF_8), create_additions: false)
        end
      end
    end
  end
end
