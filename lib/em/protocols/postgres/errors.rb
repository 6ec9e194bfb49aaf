# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

module EventMachine
  module Protocols
    class Postgres3 < Connection
      # The server violated the protocol or exceeded a limit. This error never leaves Postgres3: the connection is
      # closed, and the message becomes the reason.
      class ProtocolError < StandardError; end

      # The server demanded an authentication that is impossible or not allowed, or failed to authenticate itself.
      class AuthenticationRefused < ProtocolError; end
    end
  end
end
