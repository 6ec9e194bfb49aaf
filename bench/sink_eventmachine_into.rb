#!/usr/bin/env ruby
# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

# The sink on our EventMachine, in Ruby, receiving into the same String again and again, as sink_nio4r.rb does.

require_relative "library"
port = Library.port
Library.load "ours"

module Sink
  BUFFER = String.new(capacity: 65_536)

  def post_init
    @received = 0
    EM.receive_into(self, BUFFER)
  end

  def receive_data(data)
    @received += data.bytesize
  end
end

Library.raise_descriptor_limit
EM.run { EM.start_server("127.0.0.1", port, Sink) }
