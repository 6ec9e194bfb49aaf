# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "resolv"
require "socket"

# A name server in a thread, which answers by the first label of the name.
class NameServer
  attr_reader :queries

  # Whether the library asks name servers: it was built with c-ares.
  def self.asked?
    return @asked unless @asked.nil?

    @asked = `ldd #{Children::LIBRARY}/rubyeventmachine.so`.include?("cares")
  end

  def initialize(host = "127.0.0.1")
    @host = host
    @udp = UDPSocket.new(host.include?(":") ? Socket::AF_INET6 : Socket::AF_INET)
    @udp.bind(host, 0)
    @queries = []
    @thread = Thread.new { loop { serve(*@udp.recvfrom(2048)) } }
  end

  # For EM::DNS::Resolver.nameservers=.
  def address
    host = @host.include?(":") ? "[#{@host}]" : @host
    "#{host}:#{@udp.local_address.ip_port}"
  end

  def stop
    @thread.kill
    @thread.join
    @udp.close
  end

  private

  def serve(bytes, from)
    query = Resolv::DNS::Message.decode(bytes)
    name = query.question.first.first
    @queries << name.to_s
    reply = reply_to(query, name, name[0].to_s)
    @udp.send(reply.encode, 0, from[3], from[1]) if reply
  end

  def reply_to(query, name, label)
    reply = Resolv::DNS::Message.new(query.id)
    reply.qr = 1
    reply.ra = 1
    reply.add_question(name, Resolv::DNS::Resource::IN::A)
    case label
    when "silent" then return
    when "twice" then return if @queries.count(name.to_s) < 2
    when "unknown" then reply.rcode = 3
    when "failing" then reply.rcode = 2
    when "empty" then return reply
    end
    add_addresses(reply, name) if reply.rcode.zero?
    reply
  end

  def add_addresses(reply, name)
    %w[192.0.2.1 192.0.2.2].each { |text| reply.add_answer(name, 60, Resolv::DNS::Resource::IN::A.new(text)) }
  end
end
