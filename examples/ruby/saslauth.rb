# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# usage: ruby -Ilib examples/ruby/saslauth.rb
#
# A daemon that speaks the saslauthd protocol on a Unix-domain socket, and a client that checks two passwords with it.

require "eventmachine"
require "tmpdir"

class Gatekeeper < EventMachine::Connection
  include EventMachine::Protocols::SASLauth

  PASSWORDS = { "ann" => "secret" }.freeze

  def validate(user, password, _service, _realm)
    PASSWORDS[user] == password
  end
end

class Client < EventMachine::Connection
  include EventMachine::Protocols::SASLauthclient
end

Dir.mktmpdir do |folder|
  path = File.join(folder, "mux")
  EventMachine.run do
    EventMachine.start_unix_domain_server(path, Gatekeeper)
    client = EventMachine.connect_unix_domain(path, Client)
    client.validate?("ann", "secret").callback { puts "the right password is accepted" }
    client.validate?("ann", "guess").errback do
      puts "a wrong one is rejected"
      EventMachine.stop
    end
  end
end
