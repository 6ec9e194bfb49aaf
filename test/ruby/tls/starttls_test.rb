# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# TLS that starts in the middle of a connection (STARTTLS): what came before is plaintext, what follows is not.

require_relative "../support/tls_peers"

class TLSStartedLaterTest < TLSTest
  repeat_under_gc_pressure

  # A server that starts TLS when it is told to.
  def starttls_server(**script)
    receive = lambda do |it, data|
      if data == "STARTTLS\n"
        it.send_data("GO\n")
        it.start_tls(localhost)
      else
        it.send_data("<#{data}>")
      end
    end
    port_of(EM.start_server("127.0.0.1", 0, TLSScripted, { receive_data: receive, **script }))
  end

  def test_a_server_may_start_tls_in_receive_data
    reactor do
      talk(starttls_server) do |socket|
        socket.write("hello")
        assert_equal "<hello>", socket.readpartial(100)
        socket.write("STARTTLS\n")
        assert_equal "GO\n", socket.readpartial(100)
        tls = handshake(socket)
        tls.write("hidden")
        assert_equal "<hidden>", tls.readpartial(100)
      end
    end
  end

  def test_a_client_may_start_tls_in_receive_data
    opened = nil
    reactor do
      opened = EM.connect("127.0.0.1", starttls_server, TLSScripted, {
        connection_completed: ->(it) { it.send_data("STARTTLS\n") },
        receive_data: lambda { |it, data|
          it.start_tls if data == "GO\n"
          EM.stop if data == "<hidden>"
        },
        ssl_handshake_completed: ->(it) { it.send_data("hidden") }
      })
    end
    assert_equal "GO\n<hidden>", opened.received
  end

  # An attacker may insert bytes after the command. The program receives them with the command, and never as decrypted
  # data.
  def test_plaintext_after_the_command_is_never_taken_for_decrypted_data
    received = nil
    reactor do
      server = { receive_data: lambda { |it, _|
        received = it.received
        it.send_data("seen") if received.end_with?("after")
        next if it.events.count(:receive_data) > 1

        it.send_data("GO\n")
        it.start_tls(localhost)
      } }
      port = port_of(EM.start_server("127.0.0.1", 0, TLSScripted, server))
      talk(port) do |socket|
        socket.write("STARTTLS\nINJECTED\n")
        assert_equal "GO\n", socket.readpartial(3)
        tls = handshake(socket)
        tls.write("after")
        assert_equal "seen", tls.readpartial(4)
      end
    end
    assert_equal "STARTTLS\nINJECTED\nafter", received
  end

  # A server that reads lines, and starts TLS after the first one.
  class Lines < EM::Connection
    include EM::P::LineText2

    def initialize(options, lines)
      super()
      @options = options
      @lines = lines
    end

    def receive_line(line)
      @lines << line
      return send_data("seen\n") if @lines.size > 1

      send_data("GO\n")
      start_tls(@options)
    end
  end

  def test_lines_that_were_received_in_the_clear_are_dropped
    lines = []
    reactor do
      talk(port_of(EM.start_server("127.0.0.1", 0, Lines, localhost, lines))) do |socket|
        socket.write("STARTTLS\nINJECTED\nunfini")
        assert_equal "GO\n", socket.readpartial(3)
        tls = handshake(socket)
        tls.write("after\n")
        assert_equal "seen\n", tls.gets
      end
    end
    assert_equal %w[STARTTLS after], lines
  end

  def test_what_was_queued_before_leaves_in_the_clear
    reactor do
      port = port_of(EM.start_server("127.0.0.1", 0, TLSScripted, { post_init: lambda { |it|
        it.send_data("plain")
        it.start_tls(localhost)
        it.send_data("hidden")
      } }))
      talk(port) do |socket|
        assert_equal "plain", socket.readpartial(5)
        assert_equal "hidden", handshake(socket).readpartial(100)
      end
    end
  end

  def test_tls_may_be_started_in_a_timer
    reactor do
      port = port_of(EM.start_server("127.0.0.1", 0, TLSScripted, { post_init: lambda { |it|
        EM.add_timer(0.005) do
          it.send_data("GO\n")
          it.start_tls(localhost)
        end
      } }))
      talk(port) do |socket|
        assert_equal "GO\n", socket.readpartial(100)
        assert_equal "TLSv1.3", handshake(socket).ssl_version
      end
    end
  end

  def test_tls_may_be_started_during_a_pause
    reactor do
      port = port_of(EM.start_server("127.0.0.1", 0, TLSScripted, { post_init: lambda { |it|
        it.pause
        it.start_tls(localhost)
        EM.add_timer(0.005) { it.resume }
      } }))
      talk_tls(port) { |tls| assert_equal "TLSv1.3", tls.ssl_version }
    end
  end
end
