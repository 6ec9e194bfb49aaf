#!/usr/bin/env ruby
# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

# The echo server on the original EventMachine, with epoll, which is off by default. It sets TCP_NODELAY itself.

require_relative "library"
port = Library.port
Library.load "original"

module Echo
  def receive_data(data)
    send_data(data)
  end
end

EM.set_descriptor_table_size(Library.raise_descriptor_limit)
EM.run { EM.start_server("127.0.0.1", port, Echo) }
