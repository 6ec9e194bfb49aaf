# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# A connection that follows a script: one lambda per callback, called with the connection and the callback's argument.
# It records the callbacks in order.

class Scripted < EM::Connection
  # @return [Array<Symbol>] the callbacks that were called
  attr_reader :events
  # @return [String] all data that has arrived
  attr_reader :received
  # @return the argument of unbind
  attr_reader :reason

  def initialize(script = {})
    super()
    @script = script
    @events = []
    @received = +"".b
    play(:initialize)
  end

  def post_init
    play(:post_init)
  end

  def connection_completed
    play(:connection_completed)
  end

  def receive_data(data)
    @received << data
    play(:receive_data, data)
  end

  def unbind(reason)
    @reason = reason
    play(:unbind, reason)
  end

  def proxy_completed
    play(:proxy_completed)
  end

  def proxy_target_unbound
    play(:proxy_target_unbound)
  end

  private

  def play(callback, *arguments)
    @events << callback
    @script[callback]&.call(self, *arguments)
  end
end

# Sends back all data that it receives.
module Echo
  def receive_data(data)
    send_data(data)
  end
end
