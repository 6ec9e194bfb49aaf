# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

module EventMachine
  module Protocols
    class Postgres3 < Connection
      # Prepares a password by SASLprep (RFC 4013), so that the same characters give the same bytes however they were
      # typed. Like the server, it leaves a password unchanged if it is not UTF-8 or contains characters that SASLprep
      # prohibits.
      #
      # Ruby has no table of the characters with left-to-right direction. Letters, marks and numerals are used instead.
      module Saslprep
        SPACES = /[\u{A0}\u{1680}\u{2000}-\u{200B}\u{202F}\u{205F}\u{3000}]/.freeze
        IGNORED = /[\u{AD}\u{34F}\u{1806}\u{180B}-\u{180D}\u{200B}-\u{200D}\u{2060}\u{FE00}-\u{FE0F}\u{FEFF}]/.freeze
        # Control, private use, surrogate, non-character, tagging and other code points of RFC 3454, C.2 to C.9.
        PROHIBITED = /[\u{0}-\u{1F}\u{7F}-\u{A0}\u{340}-\u{341}\u{6DD}\u{70F}\u{1680}\u{180E}\u{2000}-\u{200F}\u{2028}-\u{202F}]|
          [\u{205F}-\u{2063}\u{206A}-\u{206F}\u{2FF0}-\u{2FFB}\u{3000}\u{E000}-\u{F8FF}\u{FDD0}-\u{FDEF}\u{FEFF}\u{FFF9}-\u{FFFF}]|
          [\u{1D173}-\u{1D17A}\u{E0001}\u{E0020}-\u{E007F}\u{F0000}-\u{10FFFF}]/x.freeze
        # Normalization and the prohibitions are those of Unicode 3.2.
        UNASSIGNED = /[^\p{Age=3.2}]|\p{Noncharacter_Code_Point}/.freeze
        # RFC 3454, D.1.
        RIGHT_TO_LEFT = /[\u{5BE}\u{5C0}\u{5C3}\u{5D0}-\u{5EA}\u{5F0}-\u{5F4}\u{61B}\u{61F}\u{621}-\u{63A}\u{640}-\u{64A}\u{66D}-\u{66F}]|
          [\u{671}-\u{6D5}\u{6DD}\u{6E5}-\u{6E6}\u{6FA}-\u{6FE}\u{700}-\u{70D}\u{710}\u{712}-\u{72C}\u{780}-\u{7A5}\u{7B1}\u{200F}]|
          [\u{FB1D}\u{FB1F}-\u{FB28}\u{FB2A}-\u{FB36}\u{FB38}-\u{FB3C}\u{FB3E}\u{FB40}-\u{FB41}\u{FB43}-\u{FB44}\u{FB46}-\u{FBB1}]|
          [\u{FBD3}-\u{FD3D}\u{FD50}-\u{FD8F}\u{FD92}-\u{FDC7}\u{FDF0}-\u{FDFC}\u{FE70}-\u{FE74}\u{FE76}-\u{FEFC}]/x.freeze
        LEFT_TO_RIGHT = /[\p{L}\p{Mc}\p{Nl}]/.freeze

        class << self
          # @param password [String] UTF-8, or bytes
          # @return [String] binary
          def prepare(password)
            text = password.dup.force_encoding(Encoding::UTF_8)
            return password.b if text.ascii_only? || !text.valid_encoding?

            prepared = text.gsub(SPACES, " ").gsub(IGNORED, "").unicode_normalize(:nfkc)
            (allowed?(prepared) ? prepared : password).b
          end

          private

          def allowed?(text)
            !text.empty? && !text.match?(PROHIBITED) && !text.match?(UNASSIGNED) && !mixed_directions?(text)
          end

          # RFC 3454, section 6.
          def mixed_directions?(text)
            return false unless text.match?(RIGHT_TO_LEFT)

            text.gsub(RIGHT_TO_LEFT, "").match?(LEFT_TO_RIGHT) ||
              !text[0].match?(RIGHT_TO_LEFT) || !text[-1].match?(RIGHT_TO_LEFT)
          end
        end
      end
    end
  end
end
