# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

module EventMachine
  module Protocols
    class Postgres3 < Connection
      # The server broke the protocol, or a limit. Never leaves Postgres3: the connection is closed, the message is the
      # reason.
      class ProtocolError < StandardError; end

      # The server asked for an authentication that cannot or must not be given, or failed at its own.
      class AuthenticationRefused < ProtocolError; end
    end
  end
end
