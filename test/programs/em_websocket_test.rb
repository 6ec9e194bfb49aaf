# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "programs_helper"
require_relative "support/websocket_cases"

# em-websocket serves clients of python3-websockets.
class EMWebSocketTest < ProgramTest
  include WebSocketCases

  private

  def start_server
    start_program { |port, _| ruby_app("em_websocket", port) }
  end
end
