#!/usr/bin/env ruby
# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

# The echo server with TLS on the original EventMachine.

require_relative "library"
port, certificate, key = Library.tls_arguments
Library.load "original"
abort "TLS is not available" unless EM.ssl?

class Echo < EM::Connection
  def initialize(options)
    super()
    @options = options
  end

  def post_init
    start_tls(@options)
  end

  def receive_data(data)
    send_data(data)
  end
end

EM.set_descriptor_table_size(Library.raise_descriptor_limit)
EM.run { EM.start_server("127.0.0.1", port, Echo, { cert_chain_file: certificate, private_key_file: key }) }
