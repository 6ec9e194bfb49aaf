# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# usage: ruby -Ilib examples/ruby/starttls.rb
#
# A connection that begins in the clear and continues with TLS.

require "eventmachine"

class Server < EM::Connection
  include EM::P::LineText2

  def post_init
    send_data("hello, say STARTTLS\n")
  end

  # Without options, a server has a self-signed certificate. That is for examples only.
  def receive_line(line)
    return send_data("with TLS you said: #{line}\n") if get_cipher_protocol

    send_data("go\n")
    start_tls
  end
end

class Client < EM::Connection
  include EM::P::LineText2

  def receive_line(line)
    puts "server: #{line}"
    case line
    when /STARTTLS/ then send_data("STARTTLS\n")
    when "go" then start_tls
    else EM.stop
    end
  end

  def ssl_handshake_completed
    puts "now it is #{get_cipher_protocol}"
    send_data("a secret\n")
  end
end

EM.run do
  server = EM.start_server("127.0.0.1", 0, Server)
  port, = Socket.unpack_sockaddr_in(EM.get_sockname(server))
  EM.connect("127.0.0.1", port, Client)
end
