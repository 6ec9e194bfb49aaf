# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# usage: ruby -Ilib examples/ruby/deferrable.rb
#
# An operation that completes later: a reply from another program, over a connection. The caller defines what happens on
# success and on failure; the operation decides which one it is, and when.

require "eventmachine"

# Requests the square of a number.
class Question < EventMachine::Connection
  include EventMachine::Deferrable

  def initialize(number)
    super()
    @number = number
    @answer = +""
  end

  def post_init
    timeout(1, "no answer in time")
    send_data("#{@number}\n")
  end

  def receive_data(data)
    @answer << data
    return unless @answer.end_with?("\n")

    @answer.start_with?("error") ? fail(@answer.chomp) : succeed(@answer.to_i)
    close_connection
  end

  def unbind(_reason = nil)
    fail("the connection was lost") if @deferred_status == :unknown
  end
end

# Replies with the square of a number.
module Squares
  def receive_data(line)
    send_data("#{Integer(line)**2}\n")
  rescue ArgumentError
    send_data("error: not a number\n")
  end
end

EventMachine.run do
  server = EventMachine.start_server("127.0.0.1", 0, Squares)
  port = Socket.unpack_sockaddr_in(EventMachine.get_sockname(server)).first

  open = 2
  finished = ->(*) { EventMachine.stop if (open -= 1).zero? }
  [7, "seven"].each do |number|
    question = EventMachine.connect("127.0.0.1", port, Question, number)
    question.callback { |square| puts "the square of #{number} is #{square}" }
    question.errback { |reason| puts "the square of #{number}: #{reason}" }
    question.callback(&finished).errback(&finished)
  end
end
