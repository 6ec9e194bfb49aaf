#!/usr/bin/env ruby
# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

# The echo server for datagrams on the original EventMachine.

require_relative "library"
port = Library.port
Library.load "original"

module Echo
  def receive_data(data)
    send_data(data)
  end
end

EM.run { EM.open_datagram_socket("127.0.0.1", port, Echo) }
