# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

module EventMachine
  module Protocols
    class Postgres3 < Connection
      # A notification sent by NOTIFY on a channel that this connection listens to.
      #
      # @!attribute pid
      #   @return [Integer] the id of the server process that serves the sender
      # @!attribute channel
      #   @return [String] binary
      # @!attribute payload
      #   @return [String] binary, may be empty
      Notification = Struct.new(:pid, :channel, :payload)

      class Notification
        # @param payload [String] of a NotificationResponse
        # @return [Notification]
        # @raise [ProtocolError]
        def self.parse(payload)
          reader = Payload.new(payload)
          notification = new(reader.int32, reader.string, reader.string)
          reader.finish
          notification
        end
      end
    end
  end
end
