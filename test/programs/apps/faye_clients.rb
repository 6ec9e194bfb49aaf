# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# usage: ruby faye_clients.rb URL [TRANSPORT TO DO WITHOUT]
#
# One client of faye publishes to channels that others have subscribed to. Its first message takes another way than
# later ones and arrives last, on any engine.

require "faye"

SUBSCRIBERS = 20
MESSAGES = 10

url, disabled = ARGV
received = Hash.new { |all, subscriber| all[subscriber] = [] }

make_client = -> { Faye::Client.new(url).tap { |client| client.disable(disabled) if disabled } }

finish = lambda do
  puts "#{received.size} subscribers: #{received.values.map(&:sort).uniq.inspect}"
  EM.stop
end

publish = lambda do |publisher|
  MESSAGES.times do |i|
    publisher.publish("/numbers/all", "number" => i).errback { |error| puts "not published: #{error.message}" }
  end
end

EM.run do
  publisher = make_client.call
  subscribed = 0
  SUBSCRIBERS.times do |i|
    subscription = make_client.call.subscribe("/numbers/*") do |message|
      received[i] << message["number"]
      finish.call if received.values.sum(&:size) == SUBSCRIBERS * MESSAGES
    end
    subscription.callback { publish.call(publisher) if (subscribed += 1) == SUBSCRIBERS }
    subscription.errback { |error| puts "not subscribed: #{error.message}" }
  end
end
