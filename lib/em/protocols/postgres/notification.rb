# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

module EventMachine
  module Protocols
    class Postgres3 < Connection
      # What somebody said by NOTIFY on a channel that this connection listens on.
      #
      # @!attribute pid
      #   @return [Integer] of the server's process that speaks for the sender
      # @!attribute channel
      #   @return [String] binary
      # @!attribute payload
      #   @return [String] binary, maybe empty
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
