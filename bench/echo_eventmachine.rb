#!/usr/bin/env ruby
# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

# The echo server on our EventMachine, in Ruby.

require_relative "library"
port = Library.port
Library.load "ours"

module Echo
  def receive_data(data)
    send_data(data)
  end
end

Library.raise_descriptor_limit
EM.run { EM.start_server("127.0.0.1", port, Echo) }
