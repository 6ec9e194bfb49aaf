#!/usr/bin/env ruby
# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

# The file server on the original EventMachine: for each piece that arrives it streams the file named by BENCH_FILE.

require_relative "library"
port = Library.port
Library.load "original"

module FileServer
  def receive_data(_data)
    stream_file_data(ENV.fetch("BENCH_FILE"))
  end
end

Library.raise_descriptor_limit
EM.run { EM.start_server("127.0.0.1", port, FileServer) }
