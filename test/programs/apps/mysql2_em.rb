# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# usage: ruby mysql2_em.rb CASE SOCKET
#
# One use of mysql2's adapter for EventMachine, whose outcome is printed.

require "mysql2/em"

# The uses by name.
module Cases
  module_function

  def open(socket)
    Mysql2::EM::Client.new(socket: socket, username: "root")
  end

  # The sleeping query holds nothing up.
  def side_by_side(socket)
    left = 2
    done = ->(text) { puts(text) || ((left -= 1).zero? && EM.stop) }
    open(socket).query("select sleep(0.2), 'slow' as speed").callback { |result| done.call(result.first["speed"]) }
    open(socket).query("select 'quick' as speed").callback { |result| done.call(result.first["speed"]) }
  end

  # Each query watches the same descriptor again, within the callback of the one before.
  def in_a_row(socket)
    client = open(socket)
    sum = 0
    ask = lambda do |number|
      next puts(sum) || EM.stop if number > 500

      client.query("select #{number} as number").callback { |result| (sum += result.first["number"]) && ask.call(number + 1) }
    end
    ask.call(1)
  end

  def error(socket)
    open(socket).query("select nonsense").errback { |error| puts(error.class) || EM.stop }
  end

  def large(socket)
    open(socket).query("select repeat('x', 5000000) as text").callback { |result| puts(result.first["text"].size) || EM.stop }
  end

  # The client ends its watch before it closes the socket.
  def closing(socket)
    client = open(socket)
    client.query("select sleep(5)")
    EM.add_timer(0.05) do
      client.close
      EM.add_timer(0.01) { puts(EM.connection_count) || EM.stop }
    end
  end
end

name, socket = ARGV

EM.run { Cases.public_send(name, socket) }
