# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

module EventMachine
  module Protocols
    module Smtp
      # The only message of the SASL mechanism PLAIN (RFC 4616): authorisation name, user and password, separated by
      # NULs and encoded in base64.
      module PlainAuth
        CONTROL_CHARACTER = /[\x00-\x1f\x7f]/n.freeze
        private_constant :CONTROL_CHARACTER

        module_function

        # @return [String, nil] nil if the user or the password contains a NUL
        def encode(user, password)
          parts = [user.to_s.b, password.to_s.b]
          ["\0#{parts.join("\0")}"].pack("m0") if parts.none? { |part| part.include?("\0") }
        end

        # @param text [String] base64
        # @return [Array(String, String), nil] user and password, binary; nil if the text is malformed. The
        #   authorisation name is ignored.
        def decode(text)
          parts = text.unpack1("m0").split("\0", -1)
          parts.drop(1) if parts.size == 3 && !parts[1].empty? && parts.none?(CONTROL_CHARACTER)
        rescue ArgumentError
          nil
        end
      end
    end
  end
end
