# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# usage: ruby -Ilib examples/ruby/tls.rb
#
# A server with TLS, and a client that sends it data only after it has verified the server. A second client, which
# expects another host, rejects the same server.

require "eventmachine"
require "openssl"

# Usually a server has its key and certificate in files. This example generates them, and the certificate is its own
# authority.
KEY = OpenSSL::PKey::EC.generate("prime256v1")
CERTIFICATE = OpenSSL::X509::Certificate.new.tap do |it|
  it.version = 2
  it.serial = 1
  it.subject = it.issuer = OpenSSL::X509::Name.new([%w[CN example]])
  it.public_key = KEY
  it.not_before = Time.now - 60
  it.not_after = Time.now + 3600
  extensions = OpenSSL::X509::ExtensionFactory.new(it, it)
  it.add_extension(extensions.create_extension("subjectAltName", "DNS:shop.example.com"))
  it.sign(KEY, OpenSSL::Digest.new("SHA256"))
end

module Shop
  def post_init
    start_tls(cert: CERTIFICATE.to_pem, private_key: KEY.to_pem, alpn: ["shop/1"])
  end

  def receive_data(data)
    send_data("you said #{data.inspect} over #{get_cipher_protocol}")
    close_connection_after_writing
  end
end

class Customer < EM::Connection
  def initialize(host)
    super()
    @host = host
  end

  # The data is not sent before the server is verified.
  def post_init
    start_tls(verify: true, hostname: @host, ca_pem: CERTIFICATE.to_pem, alpn: ["shop/1"])
    send_data("my card number")
  end

  def ssl_handshake_completed
    puts "connected to #{@host}: #{get_alpn_protocol}, certificate #{get_tls_verdict}"
  end

  def receive_data(data)
    puts data
  end

  def unbind(reason = nil)
    puts(reason ? "not connected to #{@host}: #{reason}" : "bye")
    EM.stop if EM.connection_count == 2 # the server, and this one
  end
end

EM.run do
  server = EM.start_server("127.0.0.1", 0, Shop)
  port, = Socket.unpack_sockaddr_in(EM.get_sockname(server))
  %w[shop.example.com bank.example.com].each { |host| EM.connect("127.0.0.1", port, Customer, host) }
end
