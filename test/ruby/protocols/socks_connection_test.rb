# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# The clients of SOCKS proxies and their connections: which callbacks are called, and when.

require "test_helper"

class SocksConnectionTest < ReactorTest
  class Client < EM::P::Socks4
    attr_reader :events

    def initialize(*)
      @events = []
      super
    end

    def unbind(reason = nil)
      @events << [:unbind, reason, socks_error, socks_error_code]
      EM.stop
    end

    private

    def connection_completed
      @events << :connection_completed
    end

    def post_init
      @events << :post_init
    end

    def receive_data(data)
      @events << data
      close_connection
    end
  end

  def test_callbacks_in_order
    events = talk_through("\0Z\0\0\0\0\0\0hello", "127.0.0.1")
    assert_equal [:connection_completed, :post_init, "hello", [:unbind, nil, nil, nil]], events
  end

  def test_a_refusal
    assert_equal [:connection_completed, [:unbind, nil, :rejected, 91]], talk_through("\0[\0\0\0\0\0\0", "127.0.0.1")
  end

  def test_a_name_is_resolved_without_blocking_the_reactor
    found = ->(*) { [Addrinfo.tcp("127.0.0.1", 0)] }
    Addrinfo.stub(:getaddrinfo, found) { talk_through("\0Z\0\0\0\0\0\0hello", "target.example") }
    assert_equal "\x04\x01\0\x07\x7f\0\0\x01\0".b, @request
  end

  # Also on machines without a hosts file.
  def test_names_under_localhost_are_not_looked_up
    forbid = ->(*) { raise SocketError, "looked up" }
    Addrinfo.stub(:getaddrinfo, forbid) do
      %w[localhost LocalHost. app.localhost].each do |name|
        talk_through("\0Z\0\0\0\0\0\0hello", name)
        assert_equal "\x04\x01\0\x07\x7f\0\0\x01\0".b, @request
      end
    end
  end

  def test_a_name_without_an_address
    assert_equal [:unbind, nil, :unknown_host, nil], talk_through("", "name.invalid").last
  end

  def test_a_proxy_that_sends_data_before_the_request
    client = nil
    reactor do
      port = server(post_init: ->(c) { c.send_data("\0Z\0\0\0\0\0\0hello") })
      client = EM.connect("127.0.0.1", port, Client, "name.invalid", 7)
      # Its name is resolved too late.
      client.define_singleton_method(:socks_connect) { |_| nil }
    end
    assert_equal [:connection_completed, [:unbind, nil, :invalid_reply, nil]], client.events
  end

  class Stubborn < EM::P::Socks4
    attr_reader :events

    def initialize(port, *target)
      @port = port
      @events = []
      super(*target)
    end

    def post_init
      @events << :post_init
      send_data("user")
    end

    def unbind(_reason = nil)
      @events << (socks_error || :unbind)
      @events.size < 4 ? reconnect("127.0.0.1", @port) : EM.stop
    end
  end

  def test_a_reconnected_client_sends_the_request_again
    %w[127.0.0.1 localhost].each do |target|
      requests = []
      client = nil
      reactor do
        port = server(receive_data: lambda { |c, data|
          requests << data
          data == "user" ? c.close_connection : c.send_data(requests.size == 1 ? "\0[\0\0\0\0\0\0" : "\0Z\0\0\0\0\0\0")
        })
        client = EM.connect("127.0.0.1", port, Stubborn, port, target, 7)
      end
      assert_equal %i[rejected post_init unbind post_init unbind], client.events
      request = "\x04\x01\0\x07\x7f\0\0\x01\0".b
      assert_equal [request, request, "user", request, "user"], requests
    end
  end

  def test_a_proxy_that_disconnects
    client = nil
    reactor do
      port = server(receive_data: ->(c, _) { c.close_connection })
      client = EM.connect("127.0.0.1", port, Client, "127.0.0.1", 7)
    end
    assert_equal [:connection_completed, [:unbind, nil, nil, nil]], client.events
  end

  def test_a_proxy_that_does_not_listen
    client = nil
    reactor { client = EM.connect("127.0.0.1", closed_port, Client, "127.0.0.1", 7) }
    assert_equal [[:unbind, Errno::ECONNREFUSED, nil, nil]], client.events
  end

  def test_a_bad_target_leaves_no_connection
    reactor do
      assert_raises(ArgumentError) { EM.connect("127.0.0.1", closed_port, Client, "::1", 7) }
      as_soon_as(-> { EM.connection_count.zero? }) { EM.stop }
    end
  end

  private

  # @return [Array] what the client saw of a proxy with this reply
  def talk_through(reply, host)
    client = nil
    reactor do
      port = server(receive_data: ->(c, data) { c.send_data(reply) if (@request = data) })
      client = EM.connect("127.0.0.1", port, Client, host, 7)
    end
    client.events
  end
end
