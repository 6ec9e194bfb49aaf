# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

module EventMachine
  module Protocols
    module Stomp
      # A frame from the server.
      class Message
        # @return [String] such as "MESSAGE", "CONNECTED", "ERROR"
        attr_accessor :command
        # @return [Hash{String => String}]
        attr_accessor :header
        # @return [String, nil] binary; nil until it has arrived
        attr_accessor :body

        alias headers header

        # @param command [String, nil]
        def initialize(command = nil)
          @command = command
          @header = {}
        end
      end
    end
  end
end
