# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# TLS between our connections, and with Ruby's openssl at either end: the order of callbacks, and data before, during
# and after the handshake.

require_relative "../support/tls_peers"

class TLSHandshakeTest < TLSTest
  repeat_under_gc_pressure except: [/large/, /refused_by/]

  LARGE = 3_000_000

  def test_the_callbacks_come_in_order
    client, server = run_pair({}, localhost,
                              client: { ssl_handshake_completed: ->(it) { it.send_data("ping") },
                                        receive_data: ->(it, _) { it.close_connection } },
                              server: { receive_data: ->(it, data) { it.send_data(data) } })
    assert_equal %i[initialize post_init connection_completed ssl_handshake_completed receive_data unbind],
                 client.events
    assert_equal %i[initialize post_init ssl_handshake_completed receive_data unbind], server.events
    assert_equal ["ping", nil, "ping", nil], [client.received, client.reason, server.received, server.reason]
  end

  def test_tls_works_without_any_option
    client, = run_pair({}, {}, client: { ssl_handshake_completed: ->(it) { it.close_connection } })
    assert_includes client.events, :ssl_handshake_completed
    assert_nil client.reason
  end

  def test_a_server_without_a_certificate_uses_a_self_signed_one
    subject = nil
    reactor do
      talk_tls(tls_server) { |tls| subject = tls.peer_cert.subject.to_s }
    end
    refute_empty subject
  end

  def test_the_self_signed_certificate_is_the_same_for_the_whole_process
    certificates = []
    2.times { reactor { talk_tls(tls_server) { |tls| certificates << tls.peer_cert.to_der } } }
    assert_equal 1, certificates.uniq.size
  end

  def test_an_openssl_client_gets_its_echo
    reactor do
      port = tls_server(localhost, receive_data: ->(it, data) { it.send_data(data) })
      talk_tls(port) do |tls|
        tls.write("hello")
        assert_equal "hello", tls.readpartial(100)
        assert_equal Certificates.localhost.certificate, tls.peer_cert
      end
    end
  end

  def test_an_openssl_server_echoes
    received = nil
    reactor do
      port = openssl_server(keep: true) { |tls| tls.write(tls.readpartial(100)) }
      tls_client(port, {}, post_init: ->(it) { it.send_data("hello") },
                           receive_data: lambda { |it, _|
                             received = it.received
                             EM.stop
                           })
    end
    assert_equal "hello", received
  end

  def test_data_is_binary_and_the_programs_own
    reactor do
      port = tls_server(localhost, receive_data: lambda { |_, data|
        assert_equal Encoding::BINARY, data.encoding
        refute_predicate data, :frozen?
      })
      talk_tls(port) { |tls| tls.write("\xff\x00") }
    end
  end

  def test_what_is_sent_before_the_handshake_arrives_after_it_in_order
    opened = nil
    reactor do
      port = tls_server(localhost, post_init: lambda { |it|
        it.send_data("a" * 100_000)
        it.send_data("b")
      }, ssl_handshake_completed: ->(it) { it.send_data("c") })
      opened = tls_client(port, {}, receive_data: ->(it, _) { EM.stop if it.received.end_with?("c") })
    end
    assert_equal "#{'a' * 100_000}bc", opened.received
  end

  def test_what_is_sent_before_the_handshake_arrives_without_any_other_event
    received = nil
    reactor do
      port = openssl_server { |tls| received = tls.readpartial(100) }
      tls_client(port, {}, post_init: ->(it) { it.send_data("early") })
    end
    assert_equal "early", received
  end

  def test_nothing_leaves_in_the_clear
    first = +""
    reactor do
      server = listener
      reader = Thread.new do
        first << ours(server.accept).readpartial(1000)
        EM.next_tick { EM.stop }
      end
      (@conversations ||= []) << reader
      tls_client(server.local_address.ip_port, {}, post_init: ->(it) { it.send_data("secret") })
    end
    assert_equal 0x16, first.getbyte(0), "the first record is a handshake"
    refute_includes first, "secret"
  end

  def test_tls_may_be_started_in_each_callback_of_a_client
    %i[initialize post_init connection_completed].each do |place|
      client, = run_pair(nil, localhost, client: { place => ->(it) { it.start_tls },
                                                   ssl_handshake_completed: ->(it) { it.close_connection } })
      assert_includes client.events, :ssl_handshake_completed, place
    end
  end

  def test_tls_may_be_started_after_connect_has_returned
    completed = false
    reactor do
      connection = tls_client(tls_server(localhost), nil, ssl_handshake_completed: lambda { |*|
        completed = true
        EM.stop
      })
      connection.start_tls
    end
    assert completed
  end

  def test_send_data_returns_the_same_as_without_tls
    counts = []
    run_pair({}, localhost, client: { ssl_handshake_completed: lambda { |it|
      counts << it.send_data("hello") << it.send_data("")
      it.close_connection
      counts << it.send_data("late")
    } })
    assert_operator counts[0], :>, 0
    assert_equal 0, counts[2]
  end

  def test_a_large_transfer_arrives_in_both_directions
    echoed = nil
    data = Random.new(1).bytes(LARGE)
    reactor do
      port = tls_server(localhost, receive_data: ->(it, piece) { it.send_data(piece) })
      talk_tls(port) do |tls|
        writer = Thread.new { tls.write(data) }
        echoed = tls.read(LARGE)
        writer.join
      end
    end
    assert_equal data.hash, echoed.hash
  end

  def test_outbound_data_size_counts_what_waits_for_the_handshake
    waiting = nil
    reactor do
      tls_client(listener.local_address.ip_port, {}, connection_completed: lambda { |it|
        it.send_data("x" * 5000)
        waiting = it.get_outbound_data_size
        EM.stop
      })
    end
    assert_operator waiting, :>=, 5000
  end

  def test_nothing_is_delivered_during_a_pause
    states = []
    reactor do
      port = tls_server(localhost, receive_data: lambda { |it, _|
        states << it.paused?
        it.pause
        EM.next_tick { it.resume }
        it.send_data("all") if it.received.size == 60_000
      })
      talk_tls(port) do |tls|
        tls.write("x" * 60_000)
        assert_equal "all", tls.readpartial(10)
      end
    end
    assert_equal [false], states.uniq
  end

  # OpenSSL holds them already, and no packet will wake the connection for them.
  def test_decrypted_bytes_that_wait_during_a_pause_arrive_after_it
    received = nil
    reactor do
      port = tls_server(localhost, receive_data: lambda { |it, _|
        received = it.received
        it.pause
        EM.add_timer(0.01) { it.resume }
      })
      talk_tls(port) do |tls|
        16.times { tls.write("x" * 100) }
        wait_until { received&.size == 1600 }
      end
    end
  end

  def test_many_connections_may_shake_hands_at_once
    finished = 0
    reactor do
      port = tls_server(localhost, receive_data: ->(it, data) { it.send_data(data) })
      20.times do |i|
        tls_client(port, {}, post_init: ->(it) { it.send_data(i.to_s) },
                             receive_data: lambda { |it, data|
                               assert_equal i.to_s, data
                               it.close_connection
                               EM.stop if (finished += 1) == 20
                             })
      end
    end
    assert_equal 20, finished
  end

  def test_tls_works_over_a_unix_domain_socket
    path = socket_path
    received = nil
    reactor do
      EM.start_unix_domain_server(path, TLSScripted, { tls: localhost, receive_data: ->(it, data) { it.send_data(data) } })
      EM.connect_unix_domain(path, TLSScripted, { tls: {}, post_init: ->(it) { it.send_data("local") },
                                                  receive_data: lambda { |_, data|
                                                    received = data
                                                    EM.stop
                                                  } })
    end
    assert_equal "local", received
  end

  def test_receive_into_works_with_tls
    sizes = []
    buffer = +""
    data = Random.new(1).bytes(200_000)
    received = +"".b
    reactor do
      port = tls_server(localhost, post_init: ->(it) { EM.receive_into(it, buffer) }, receive_data: lambda { |it, piece|
        sizes << piece.equal?(buffer)
        received << piece
        it.send_data("all") if received.bytesize == data.bytesize
      })
      talk_tls(port) do |tls|
        tls.write(data)
        assert_equal "all", tls.readpartial(3)
      end
    end
    assert_equal [true], sizes.uniq
    assert_equal data, received
  end

  def test_a_file_is_streamed
    data = Random.new(1).bytes(LARGE)
    path = Certificates.write("")
    File.binwrite(path, data)
    received = nil
    reactor do
      port = tls_server(localhost, ssl_handshake_completed: lambda { |it|
        it.stream_file_data(path).callback { it.close_connection_after_writing }
      })
      talk_tls(port) { |tls| received = read_to_end(tls) }
    end
    assert_equal data.hash, received.hash
  end

  def test_reconnect_starts_without_tls_again
    protocols = []
    reactor do
      secure = tls_server(localhost)
      plain = server(post_init: ->(it) { it.send_data("plain") })
      tls_client(secure, {}, ssl_handshake_completed: lambda { |it|
        protocols << it.get_cipher_protocol
        it.close_connection
      }, unbind: ->(it, _) { protocols.size == 1 && it.reconnect("127.0.0.1", plain) },
         receive_data: lambda { |it, data|
           protocols << data << it.get_cipher_protocol
           EM.stop
         })
    end
    assert_equal ["plain", nil], protocols.last(2)
    assert_match(/TLS/, protocols.first)
  end

  def test_exceptions_in_ssl_handshake_completed_leave_run
    error = assert_raises(RuntimeError) do
      run_pair({}, localhost, client: { ssl_handshake_completed: ->(*) { raise "on purpose" } })
    end
    assert_equal "on purpose", error.message
  end

  def test_exceptions_in_ssl_handshake_completed_go_to_the_error_handler
    errors = []
    EM.error_handler { |error| errors << error.message }
    client, = run_pair({}, localhost, client: { ssl_handshake_completed: lambda { |it|
      EM.next_tick { it.close_connection }
      raise "on purpose"
    } })
    assert_equal ["on purpose"], errors
    assert_nil client.reason
  end

  def test_ssl_handshake_completed_may_do_anything_to_its_connection
    run_pair({}, localhost, client: { ssl_handshake_completed: lambda { |it|
      it.close_connection
      it.start_tls rescue nil # rubocop:disable Style/RescueModifier
      EM.stop
    } })
    assert_not_running
  end
end
