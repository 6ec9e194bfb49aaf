# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# How connections with TLS end: what the peer receives before, and unbind's reason.

require_relative "../support/tls_peers"

class TLSEndsTest < TLSTest
  repeat_under_gc_pressure

  LARGE = 5_000_000

  # @return [Class, nil] the reason with which the server's connection is unbound after the block has talked to it
  def reason_after(options = localhost, **script, &block)
    reason = :none
    reactor do
      port = tls_server(options, **script, unbind: lambda { |_, why|
        reason = why
        EM.stop
      })
      conversation = Thread.new { block.call(peer(port)) }
      conversation.report_on_exception = false
      (@conversations ||= []) << conversation
    end
    reason
  end

  def test_the_peers_close_notify_ends_normally
    assert_nil(reason_after { |socket| handshake(socket).close })
  end

  def test_the_peers_end_without_close_notify_ends_normally
    assert_nil(reason_after { |socket| handshake(socket) && socket.shutdown(:WR) })
  end

  def test_the_peers_end_during_the_handshake_ends_normally
    assert_nil(reason_after { |socket| socket.shutdown(:WR) })
    assert_nil(reason_after { |socket| socket.write("\x16\x03\x01\x00") && socket.shutdown(:WR) })
  end

  def test_garbage_instead_of_a_handshake_is_a_protocol_error
    assert_equal Errno::EPROTO, reason_after { |socket| socket.write("GET / HTTP/1.1\r\n\r\n") }
    assert_equal Errno::EPROTO, reason_after { |socket| socket.write("x" * 1000) }
  end

  def test_garbage_after_the_handshake_is_a_protocol_error
    assert_equal Errno::EPROTO, reason_after { |socket| handshake(socket) && socket.write("x" * 1000) }
  end

  def test_data_before_garbage_is_delivered
    received = nil
    reason = reason_after(localhost, receive_data: ->(it, _) { received = it.received }) do |socket|
      handshake(socket).write("data")
      socket.write("x" * 1000)
    end
    assert_equal ["data", Errno::EPROTO], [received, reason]
  end

  def test_a_server_without_tls_is_a_protocol_error
    reason = nil
    reactor do
      port = server(post_init: ->(it) { it.send_data("220 plain text\r\n") })
      tls_client(port, {}, unbind: lambda { |_, why|
        reason = why
        EM.stop
      })
    end
    assert_equal Errno::EPROTO, reason
  end

  def test_no_common_version_is_a_protocol_error
    client, server = run_pair({ ssl_version: :TLSv1_3 }, localhost(ssl_version: :TLSv1_2))
    assert_equal [Errno::EPROTO, Errno::EPROTO], [client.reason, server.reason]
  end

  def test_a_reset_has_the_same_reason_as_without_tls
    assert_equal Errno::ECONNRESET, reason_after { |socket| handshake(socket) && reset(socket) }
  end

  def test_nothing_is_printed
    assert_silent_process do
      reason_after { |socket| socket.write("x" * 1000) }
      run_pair({ ssl_version: :TLSv1_3 }, localhost(ssl_version: :TLSv1_2))
    end
  end

  # Including what native code prints.
  def assert_silent_process
    Tempfile.create("stderr") do |file|
      kept = $stderr.dup
      $stderr.reopen(file)
      yield
      assert_equal "", File.read(file.path)
    ensure
      $stderr.reopen(kept)
      kept.close
    end
  end

  def test_closing_sends_close_notify
    rest = nil
    reactor do
      port = tls_server(localhost, receive_data: ->(it, _) { it.close_connection })
      talk_tls(port) do |tls|
        tls.write("go")
        rest = read_to_end(tls)
      end
    end
    assert_equal "", rest
  end

  def test_closing_after_writing_sends_everything_and_close_notify
    rest = nil
    reactor do
      port = tls_server(localhost, receive_data: lambda { |it, _|
        it.send_data("x" * LARGE)
        it.close_connection_after_writing
      })
      talk_tls(port) do |tls|
        tls.write("go")
        rest = read_to_end(tls)
      end
    end
    assert_equal LARGE, rest.bytesize
  end

  # The original loses it.
  def test_closing_after_writing_before_the_handshake_sends_everything
    rest = nil
    reactor do
      port = tls_server(localhost, post_init: lambda { |it|
        it.send_data("greeting")
        it.close_connection_after_writing
      })
      talk_tls(port) { |tls| rest = read_to_end(tls) }
    end
    assert_equal "greeting", rest
  end

  def test_closing_drops_what_is_queued
    size = nil
    reactor do
      port = tls_server(localhost, receive_data: lambda { |it, _|
        it.send_data("x" * LARGE)
        it.close_connection
      })
      talk_tls(port) do |tls|
        tls.write("go")
        size = begin
          read_to_end(tls).bytesize
        rescue OpenSSL::SSL::SSLError, SystemCallError
          0
        end
      end
    end
    assert_operator size, :<, LARGE
  end

  def test_a_peer_that_ends_its_half_still_gets_what_is_queued
    rest = nil
    reactor do
      port = tls_server(localhost, receive_data: ->(it, _) { it.send_data("x" * LARGE) })
      talk_tls(port) do |tls|
        tls.write("go")
        tls.sysclose # Sends close_notify and leaves the socket open.
        rest = read_to_end(tls)
      end
    end
    assert_equal LARGE, rest.bytesize
  end

  def test_stopping_the_reactor_ends_all_connections_normally
    client, server = run_pair({}, localhost, client: { ssl_handshake_completed: ->(*) { EM.stop } })
    assert_nil client.reason
    assert_nil server.reason
  end

  def test_the_inactivity_timeout_applies
    reason = nil
    reactor do
      port = tls_server(localhost)
      tls_client(port, {}, ssl_handshake_completed: ->(it) { it.comm_inactivity_timeout = 0.02 },
                           unbind: lambda { |_, why|
                             reason = why
                             EM.stop
                           })
    end
    assert_equal Errno::ETIMEDOUT, reason
  end
end
