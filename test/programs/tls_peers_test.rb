# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# Our TLS with the command line tools and libraries of others at the other end: openssl, curl, Python's ssl.

require "programs_helper"
require_relative "support/tls_service"

class TLSPeersTest < TLSTest
  include TLSService

  self.time_limit = 60

  # Without Content-Length, curl reports an end without close_notify as an error.
  def test_curl
    [%w[--tlsv1.3], %w[--tls-max 1.2]].each do |version|
      output, status = with_server(localhost(alpn: "http/1.1"), receive_data: HTTP) do |port|
        ["curl", "-sS", *version, "--cacert", root, "https://localhost:#{port}/"]
      end
      assert_predicate status, :success?, output[0, 1000]
      assert_equal 1_000_000, output.bytesize
    end
  end

  def test_curl_refuses_a_certificate_for_another_host
    other = Certificates.root.issue("example.com")
    output, status = with_server({ cert: other.cert, private_key: other.private_key }) do |port|
      ["curl", "-sS", "--cacert", root, "https://localhost:#{port}/"]
    end
    assert_equal 60, status.exitstatus, output
  end

  def test_s_client
    shout = lambda do |it, data|
      it.send_data(data.upcase)
      it.close_connection_after_writing
    end
    output, status = with_server(localhost(alpn: "echo"), input: "hello\n", receive_data: shout) do |port|
      ["openssl", "s_client", "-connect", "127.0.0.1:#{port}", "-servername", "localhost", "-CAfile", root,
       "-verify_return_error", "-verify_hostname", "localhost", "-alpn", "echo", "-ign_eof", "-brief"]
    end
    assert_predicate status, :success?, output
    assert_includes output, "Verification: OK"
    assert_includes output, "HELLO"
  end

  def test_s_client_prints_the_alerts
    { ["-tls1_2"] => [{ ssl_version: :TLSv1_3 }, /alert protocol version/],
      ["-alpn", "other"] => [{ alpn: "echo" }, /alert no application protocol/],
      ["-tls1_2", "-cipher", "AES128-SHA"] => [{ cipher_list: "ECDHE-ECDSA-AES256-GCM-SHA384" }, /alert handshake failure/],
      ["-tls1_2", "-quiet"] => [{ verify: true, ca_pem: Certificates.root.cert }, /alert handshake failure/],
      ["-tls1_3", "-quiet"] => [{ verify: true, ca_pem: Certificates.root.cert }, /alert certificate required/] }
      .each do |arguments, (options, alert)|
      output, = with_server(localhost(**options)) do |port|
        ["openssl", "s_client", "-connect", "127.0.0.1:#{port}", "-ign_eof", *arguments]
      end
      assert_match(alert, output, arguments.join(" "))
    end
  end

  def test_s_server
    server = lambda do |port|
      ["openssl", "s_server", "-accept", "127.0.0.1:#{port}", "-cert", Certificates.localhost.cert_file,
       "-key", Certificates.localhost.key_file, "-www", "-quiet"]
    end
    assert_match(/Protocol +: TLSv1\.3/, with_program(server) { |port| page_of(port) })
  end

  # s_server ends by close_notify and waits for ours.
  def page_of(port)
    page = nil
    reactor do
      tls_client(port, { verify: true, hostname: "localhost", ca_pem: Certificates.root.cert },
                 post_init: ->(it) { it.send_data("GET / HTTP/1.0\r\n\r\n") }, unbind: lambda { |it, reason|
                   assert_nil reason
                   page = it.received
                   EM.stop
                 })
    end
    page
  end

  PYTHON = <<~PROGRAM
    import socket, ssl, sys
    port, root, version = int(sys.argv[1]), sys.argv[2], sys.argv[3]
    context = ssl.create_default_context(cafile=root)
    context.maximum_version = getattr(ssl.TLSVersion, version)
    with socket.create_connection(("localhost", port)) as plain:
        with context.wrap_socket(plain, server_hostname="localhost", suppress_ragged_eofs=False) as tls:
            tls.sendall(b"x" * 300000)
            data = b""
            while len(data) < 300000:
                data += tls.recv(65536)
            tls.sendall(b"end")
            assert tls.recv(10) == b"", "no end"
            print(tls.version(), data == b"x" * 300000)
  PROGRAM

  # Python reports an end without close_notify as an error.
  def test_python
    echo = lambda do |it, data|
      data.end_with?("end") ? it.close_connection : it.send_data(data)
    end
    { "TLSv1_3" => "TLSv1.3 True\n", "TLSv1_2" => "TLSv1.2 True\n" }.each do |version, expected|
      output, = with_server(receive_data: echo) { |port| ["/usr/bin/python3", "-c", PYTHON, port.to_s, root, version] }
      assert_equal expected, output
    end
  end
end
