#!/usr/bin/env ruby
# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

# usage: ruby bench/thin_alone.rb CONNECTIONS SECONDS
#
# The cost of thin's own Ruby code per request, on any engine. Its connections get wrk's request from a loop, and what
# they send is discarded. Prints microseconds of processor time.

require_relative "library"
abort "usage: #{$PROGRAM_NAME} CONNECTIONS SECONDS" unless ARGV.size == 2
count, seconds = Integer(ARGV[0]), Float(ARGV[1])
Library.load("ours")
require "thin"
require "rack"

APPLICATION = Rack::Builder.parse_file(File.join(__dir__, "thin.ru")).first

# A connection of thin without a network.
class Alone < Thin::Connection
  PEER = Socket.pack_sockaddr_in(80, "127.0.0.1")
  Backend = Struct.new(:ssl?)

  def self.new
    allocate.tap(&:start)
  end

  def start
    self.app = APPLICATION
    self.backend = Backend.new(false)
    can_persist!
    post_init
  end

  def get_peername
    PEER.dup
  end

  def send_data(data)
    data.bytesize
  end
end

REQUEST = "GET / HTTP/1.1\r\nHost: 127.0.0.1:12345\r\n\r\n"

connections = Array.new(count) { Alone.new }
turn = -> { connections.each { |connection| connection.receive_data(String.new(REQUEST)) } }
run = lambda do |duration|
  turns = 0
  ends = Library.cpu_us + (duration * 1e6)
  turns += 1 while Library.cpu_us < ends && turn.call
  turns
end

run.call(seconds / 4)
before = Library.cpu_us
turns = run.call(seconds)
puts (Library.cpu_us - before) / (turns * count)
