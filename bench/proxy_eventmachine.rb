#!/usr/bin/env ruby
# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

# The proxy on our EventMachine, in Ruby.

require_relative "library"
port, server_port = ARGV.map(&:to_i)
abort "usage: #{$PROGRAM_NAME} PORT SERVER_PORT" unless ARGV.size == 2
Library.load "ours"

BUFFER_BYTES = 1024 * 1024

class Upstream < EventMachine::Connection
  def initialize(client)
    @client = client
  end

  def post_init
    proxy_incoming_to(@client, BUFFER_BYTES)
  end

  def unbind
    @client.close_connection_after_writing
  end
end

class Relay < EventMachine::Connection
  def initialize(port)
    @port = port
  end

  def post_init
    @upstream = EventMachine.connect("127.0.0.1", @port, Upstream, self)
    proxy_incoming_to(@upstream, BUFFER_BYTES)
  end

  def unbind
    @upstream.close_connection_after_writing
  end
end

Library.raise_descriptor_limit
EM.run { EM.start_server("127.0.0.1", port, Relay, server_port) }
