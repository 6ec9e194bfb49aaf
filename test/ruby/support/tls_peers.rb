# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# Support for tests of TLS: scripted connections that start TLS, and peers with Ruby's openssl.

require "test_helper"
require_relative "certificates"

# A scripted connection with the callbacks of TLS. It starts TLS in post_init if the script has `:tls`.
class TLSScripted < Scripted
  # @return [Array<String>] the certificates that ssl_verify_peer got
  def certificates
    @certificates ||= []
  end

  def post_init
    start_tls(@script[:tls]) if @script[:tls]
    super
  end

  def ssl_verify_peer(certificate)
    certificates << certificate
    play(:ssl_verify_peer, certificate)
  end

  def ssl_handshake_completed
    play(:ssl_handshake_completed)
  end
end

class TLSTest < ReactorTest
  def before_setup
    super
    skip "this EventMachine has no TLS" unless EM.ssl?
  end

  private

  # Listens for clients that use TLS.
  # @return [Integer] the port
  def tls_server(options = {}, **script)
    port_of(EM.start_server("127.0.0.1", 0, TLSScripted, { tls: options, **script }))
  end

  # Connects and starts TLS.
  def tls_client(port, options = {}, **script)
    EM.connect("127.0.0.1", port, TLSScripted, { tls: options, **script })
  end

  # @return [Hash] options for start_tls with the certificate for localhost
  def localhost(**options)
    { cert: Certificates.localhost.chain, private_key: Certificates.localhost.private_key, **options }
  end

  # Connects to a server with Ruby's openssl, like #talk. The block gets the socket after the handshake.
  def talk_tls(port, hostname: nil, **settings)
    talk(port) do |socket|
      yield handshake(socket, hostname: hostname, **settings)
    end
  end

  # @return [OpenSSL::SSL::SSLSocket] the client's end of TLS on a connected socket
  def handshake(socket, hostname: nil, **settings)
    tls = OpenSSL::SSL::SSLSocket.new(socket, openssl_context(**settings))
    tls.hostname = hostname if hostname
    tls.connect
  end

  # Starts a server with Ruby's openssl for one client. The block gets the socket after the handshake. The reactor stops
  # when it returns, unless the option `keep` is true.
  # @return [Integer] its port
  def openssl_server(credentials = Certificates.localhost, keep: false, **settings)
    server = listener
    settings = { cert: credentials.certificate, key: credentials.key, extra_chain_cert: credentials.issuers,
                 **settings }
    conversation = Thread.new do
      socket = ours(server.accept)
      yield OpenSSL::SSL::SSLSocket.new(socket, openssl_context(**settings)).accept
    ensure
      EM.next_tick { EM.stop } unless keep
    end
    conversation.report_on_exception = false
    (@conversations ||= []) << conversation
    server.local_address.ip_port
  end

  def openssl_context(**settings)
    OpenSSL::SSL::SSLContext.new.tap do |context|
      settings.each { |name, value| context.public_send("#{name}=", value) }
    end
  end

  # Runs a client against a server, both ours, until both are unbound.
  # @return [Array(TLSScripted, TLSScripted)] the client and the server's connection
  def run_pair(client_options, server_options, client: {}, server: {})
    accepted = opened = nil
    left = 2
    ended = ->(*) { EM.stop if (left -= 1).zero? }
    reactor do
      port = tls_server(server_options, unbind: ended, **server, initialize: ->(it) { accepted = it })
      opened = tls_client(port, client_options, unbind: ended, **client)
    end
    [opened, accepted]
  end

  # @return [String] everything that arrives until the peer's close_notify; raises if there is none
  def read_to_end(tls)
    data = +""
    loop { data << tls.sysread(65_536) }
  rescue EOFError
    data
  end
end
