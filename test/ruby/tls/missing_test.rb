# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# Built without OpenSSL, EventMachine raises, and sends nothing in the clear instead.

require "test_helper"
require "minitest/mock"

class TLSMissingTest < ReactorTest
  def without_tls(&block)
    EM.stub(:ssl?, false) { in_reactor(&block) }
  end

  def test_start_tls_raises_without_openssl
    without_tls do
      client(server, post_init: lambda { |it|
        error = assert_raises(RuntimeError) { it.start_tls(handshake_timeout: 9) }
        assert_equal "Encryption not available on this event-machine", error.message
      })
    end
  end

  def test_shared_options_raise_before_anything_is_opened
    without_tls do
      assert_raises(EM::Unsupported) { EM.start_server("127.0.0.1", 0, EM::Connection, tls: EM::TLS.new) }
      assert_raises(EM::Unsupported) { EM.connect("127.0.0.1", closed_port, EM::Connection, tls: EM::TLS.new) }
      assert_equal 0, EM.connection_count - EM.num_close_scheduled
    end
  end

  def test_getters_return_nil_without_openssl
    without_tls do
      client(server, post_init: ->(it) { assert_nil it.get_peer_cert || it.get_cipher_name || it.get_tls_verdict })
    end
  end
end
