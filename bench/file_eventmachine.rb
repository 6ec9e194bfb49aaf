#!/usr/bin/env ruby
# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

# The file server on our EventMachine, in Ruby: for each piece that arrives it sends the file named by BENCH_FILE.

require_relative "library"
port = Library.port
Library.load "ours"

module FileServer
  def receive_data(_data)
    EM.send_file(self, ENV.fetch("BENCH_FILE"))
  end
end

Library.raise_descriptor_limit
EM.run { EM.start_server("127.0.0.1", port, FileServer) }
