# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# Options of start_tls that 1.x does not have: application protocols, certificates by host name, session tickets, the
# handshake timeout.

require_relative "../support/tls_peers"

class TLSOptionsTest < TLSTest
  repeat_under_gc_pressure except: [/does_not_end_connections_later/]

  # @return [Array] what both sides say the application protocol is; the client's reason if there was no handshake
  def alpn(client_list, server_list)
    result = []
    client, = run_pair({ alpn: client_list }, localhost(alpn: server_list), client: {
      receive_data: lambda { |it, _|
        result << it.get_alpn_protocol
        it.close_connection
      }
    }, server: { ssl_handshake_completed: lambda { |it|
      result << it.get_alpn_protocol
      it.send_data("!")
    } })
    result.empty? ? client.reason : result
  end

  def test_the_servers_order_of_protocols_decides
    assert_equal %w[h2 h2], alpn(%w[http/1.1 h2], %w[h2 http/1.1])
    assert_equal %w[http/1.1 http/1.1], alpn("http/1.1", %w[h2 http/1.1])
  end

  def test_without_protocols_get_alpn_protocol_is_nil
    assert_equal [nil, nil], alpn(nil, %w[h2])
    assert_equal [nil, nil], alpn(%w[h2], nil)
    assert_equal [nil, nil], alpn([], [])
  end

  def test_without_a_common_protocol_the_handshake_fails
    assert_equal Errno::EPROTO, alpn(%w[h2], %w[http/1.1])
  end

  def test_protocols_are_negotiated_with_openssl
    reactor do
      talk_tls(tls_server(localhost(alpn: %w[h2 http/1.1])), alpn_protocols: %w[http/1.1]) do |tls|
        assert_equal "http/1.1", tls.alpn_protocol
      end
    end
  end

  def test_get_alpn_protocol_is_nil_without_tls
    reactor do
      client(server, connection_completed: lambda { |it|
        assert_nil it.get_alpn_protocol
        assert_nil it.get_tls_verdict
        EM.stop
      })
    end
  end

  def named(name)
    credentials = Certificates.root.issue(name)
    { cert: credentials.cert, private_key: credentials.private_key }
  end

  # @return [String] the subject that a client sees that asks for this name
  def subject_for(name, options)
    subject = nil
    reactor do
      talk_tls(tls_server(options), hostname: name) { |tls| subject = tls.peer_cert.subject.to_s }
    end
    subject
  end

  def test_each_host_name_gets_its_certificate
    options = localhost(certificates: { "a.example" => named("a"), "*.b.example" => named("b") })
    { "a.example" => "/CN=a", "A.EXAMPLE" => "/CN=a", "x.b.example" => "/CN=b", "x.y.b.example" => "/CN=localhost",
      "b.example" => "/CN=localhost", "other" => "/CN=localhost", nil => "/CN=localhost" }.each do |name, subject|
      assert_equal subject, subject_for(name, options), name.inspect
    end
  end

  def test_certificates_by_name_may_be_files
    files = { cert_chain_file: Certificates.client.chain_file, private_key_file: Certificates.client.key_file }
    assert_equal "/CN=client", subject_for("c.example", localhost(certificates: { "c.example" => files }))
  end

  def test_mistakes_in_certificates_by_name_raise
    missing = { cert_chain_file: "/nonexistent", private_key_file: "/nonexistent" }
    { EM::FileNotFoundException => missing, EM::BadParams => { private_key: "x" },
      EM::InvalidPrivateKey => { cert: Certificates.client.cert, private_key: "x" } }.each do |error, credentials|
      in_reactor do
        port = server(post_init: lambda { |it|
          assert_raises(error) { it.start_tls(localhost(certificates: { "a" => credentials })) }
        })
        client(port, unbind: ->(*) { EM.stop })
      end
    end
  end

  def test_a_handshake_that_never_begins_times_out
    reason = nil
    reactor do
      port = tls_server(localhost(handshake_timeout: 0.02), unbind: lambda { |_, why|
        reason = why
        EM.stop
      })
      peer(port)
    end
    assert_equal Errno::ETIMEDOUT, reason
  end

  def test_a_handshake_that_never_ends_times_out
    reason = nil
    reactor do
      tls_client(listener.local_address.ip_port, { handshake_timeout: 0.02 }, unbind: lambda { |_, why|
        reason = why
        EM.stop
      })
    end
    assert_equal Errno::ETIMEDOUT, reason
  end

  # When the handshake of a client that comes later has timed out, that of the first would have done so as well.
  def test_the_handshake_timeout_does_not_end_connections_later
    received = reason = nil
    reactor do
      port = tls_server(localhost(handshake_timeout: 0.5), receive_data: ->(_, data) { received = data },
                                                           unbind: ->(_, why) { reason ||= why })
      talk_tls(port) do |tls|
        peer(port)
        wait_until { reason }
        tls.write("late")
        wait_until { received }
      end
    end
    assert_equal ["late", Errno::ETIMEDOUT], [received, reason]
  end

  # @return [Boolean] whether a second connection of Ruby's openssl resumes the session of the first
  def resumes?(options, version = :TLS1_3)
    resumed = nil
    reactor do
      port = tls_server(options, receive_data: ->(it, data) { it.send_data(data) })
      talk(port) do |socket|
        context = openssl_context(max_version: OpenSSL::SSL.const_get("#{version}_VERSION"))
        resumed = resume(port, context, session_of(socket, context))
      end
    end
    resumed
  end

  def session_of(socket, context)
    tls = OpenSSL::SSL::SSLSocket.new(socket, context).connect
    exchange(tls)
    tls.session.tap { tls.close } # OpenSSL does not resume sessions of connections that were freed without this.
  end

  def resume(port, context, session)
    tls = OpenSSL::SSL::SSLSocket.new(peer(port), context)
    tls.session = session if session
    exchange(tls.connect)
    tls.session_reused?
  end

  # Tickets arrive with the first data.
  def exchange(tls)
    tls.write("x")
    tls.readpartial(1)
  end

  def test_sessions_are_resumed
    assert resumes?(localhost)
    assert resumes?(localhost, :TLS1_2)
    assert resumes?(localhost(session_tickets: true))
  end

  def test_without_tickets_sessions_are_not_resumed
    refute resumes?(localhost(session_tickets: false))
    refute resumes?(localhost(session_tickets: false), :TLS1_2)
  end

  # Each makes its context when its first client comes, after it was forked.
  def test_processes_that_share_a_socket_resume_each_others_sessions
    socket = listener
    workers = Array.new(3) { fork { EM.run { EM.attach_server(socket, TLSScripted, { tls: localhost, receive_data: ->(it, _) { it.send_data(Process.pid.to_s) } }) } } }
    context = openssl_context(max_version: :TLS1_2)
    sessions = {}
    until sessions.size == workers.size
      tls = OpenSSL::SSL::SSLSocket.new(peer(socket.local_address.ip_port), context).connect
      tls.write("x")
      sessions[tls.readpartial(10).to_i] = tls.session
    end
    sessions.each_value { |session| assert(Array.new(10) { resume(socket.local_address.ip_port, context, session) }.all?) }
  ensure
    workers&.each do |pid|
      Process.kill(:KILL, pid)
      Process.wait(pid)
    end
  end

  # Makes two connections, one after the other. Returns whether the second was resumed.
  def second_resumes?(first, second = first, server: localhost, judge: ->(*) { true }, host: "127.0.0.1", start: :post_init)
    resumed = []
    reactor do
      port = tls_server(server, receive_data: ->(it, data) { it.send_data(data) })
      run = lambda do |options, rest|
        begin_tls = lambda do |it|
          it.start_tls(options)
          it.send_data("x")
        end
        EM.connect(host, port, TLSScripted, {
          start => begin_tls, ssl_verify_peer: judge, receive_data: lambda { |it, _|
            resumed << it.tls_session_resumed?
            it.close_connection
          }, unbind: ->(*) { rest.empty? ? EM.stop : run.call(rest[0], rest[1..]) }
        })
      end
      run.call(first, [second])
    end
    resumed[1]
  end

  VERIFY = -> { { verify: true, hostname: "localhost", ca_pem: Certificates.root.cert } }

  def test_a_client_that_verifies_resumes_its_session
    %w[127.0.0.1 localhost].product(%i[post_init connection_completed]).each do |host, start|
      assert second_resumes?(VERIFY.call, host: host, start: start), "#{host} #{start}"
    end
    refute second_resumes?(VERIFY.call.merge(session_tickets: false))
  end

  def test_ssl_verify_peer_is_called_for_resumed_sessions
    asked = 0
    assert second_resumes?({ verify_peer: true }, judge: ->(*) { asked += 1 })
    assert_operator asked, :>=, 2
    asked = 0
    refute second_resumes?({ verify_peer: true }, judge: ->(*) { (asked += 1) == 1 })
  end

  def test_a_session_without_verification_is_not_resumed_with_verification
    refute second_resumes?({ session_tickets: true }, VERIFY.call)
    refute second_resumes?(VERIFY.call, VERIFY.call.merge(hostname: "127.0.0.1"))
  end
end
