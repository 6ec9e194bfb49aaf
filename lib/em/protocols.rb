# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

module EventMachine
  # Contains the protocols that come with EventMachine, each of which is loaded on first use, and those that gems add.
  module Protocols
    autoload :HeaderAndContentProtocol, "em/protocols/header_and_content"
    autoload :HttpClient, "em/protocols/httpclient"
    autoload :HttpClient2, "em/protocols/httpclient2"
    autoload :LineAndTextProtocol, "em/protocols/line_and_text"
    autoload :LineProtocol, "em/protocols/line_protocol"
    autoload :LineText2, "em/protocols/linetext2"
    autoload :Memcache, "em/protocols/memcache"
    autoload :ObjectProtocol, "em/protocols/object_protocol"
    autoload :Postgres3, "em/protocols/postgres3"
    autoload :SASLauth, "em/protocols/saslauth"
    autoload :SASLauthclient, "em/protocols/saslauth"
    autoload :SmtpClient, "em/protocols/smtpclient"
    autoload :SmtpServer, "em/protocols/smtpserver"
    autoload :Socks4, "em/protocols/socks4"
    autoload :Socks5, "em/protocols/socks5"
    autoload :Stomp, "em/protocols/stomp"
    autoload :TcpConnectTester, "em/protocols/tcptest"
  end

  # The short name that programs use.
  P = Protocols
end
