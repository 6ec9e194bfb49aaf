# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# usage: ruby -Ilib examples/ruby/memcache.rb [HOST [PORT]]
#
# Counts visits in memcached. Without a server as an argument, it starts a small one that supports just enough.

require "eventmachine"

# Keeps values in a Hash, and supports `set` and `get` with one key.
module SmallServer
  include EM::P::LineText2

  VALUES = {}

  def receive_line(line)
    command, @key, _flags, _seconds, bytes = line.split(" ")
    case command
    when "get" then send_data("#{value_of(@key)}END\r\n")
    when "set" then set_text_mode(bytes.to_i + 2)
    end
  end

  def receive_binary_data(data)
    VALUES[@key] = data.chomp("\r\n")
    send_data("STORED\r\n")
  end

  private

  def value_of(key)
    value = VALUES[key]
    value && "VALUE #{key} 0 #{value.bytesize}\r\n#{value}\r\n"
  end
end

def visit(cache, times)
  return EM.stop if times.zero?

  cache.get("visits") do |visits|
    puts "#{visits || 'no'} visits so far"
    cache.set("visits", visits.to_i + 1) do |stored|
      stored ? visit(cache, times - 1) : EM.stop
    end
  end
end

EM.run do
  host = ARGV.fetch(0, "127.0.0.1")
  port = ARGV.empty? ? Socket.unpack_sockaddr_in(EM.get_sockname(EM.start_server(host, 0, SmallServer))).first : ARGV.fetch(1, 11_211)
  cache = EM::P::Memcache.connect(host, Integer(port))
  cache.errback do
    puts "no server"
    EM.stop
  end
  visit(cache, 3)
end
