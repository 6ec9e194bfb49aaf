#!/usr/bin/env ruby
# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

# The file server on our EventMachine, in Ruby, with what EventMachine 1.x has, too: stream_file_data.

require_relative "library"
port = Library.port
Library.load "ours"

module FileServer
  def receive_data(_data)
    stream_file_data(ENV.fetch("BENCH_FILE"))
  end
end

Library.raise_descriptor_limit
EM.run { EM.start_server("127.0.0.1", port, FileServer) }
