# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# Proxies between connections of different kinds: streams, datagram sockets, child processes and pipes.

require "test_helper"

class ProxyKindsTest < ReactorTest
  # Remembers what arrives there and what a proxy reports.
  class Recorder < EM::Connection
    attr_reader :received, :reports

    def initialize
      super
      @received = +""
      @reports = []
    end

    def receive_data(data)
      @received << data
    end

    def proxy_completed
      @reports << :completed
    end

    def proxy_target_unbound
      @reports << :target_unbound
    end

    def unbind
      @reports << :unbind
    end
  end

  # The end that is not attached is closed after the reactor.
  def open_pipe
    IO.pipe.each { |io| (@pipe_ends ||= []) << io }
  end

  def reactor(...)
    super
  ensure
    @pipe_ends&.each(&:close)
  end

  def datagram_socket
    EM.open_datagram_socket("127.0.0.1", 0, Recorder)
  end

  # A UDP client that has introduced itself to a socket, which answers it from now on.
  def introduced(socket)
    peer = datagram_socket
    peer.send_datagram("hello", "127.0.0.1", port_of(socket.signature))
    as_soon_as(-> { socket.received == "hello" }) { yield peer }
  end

  # Each kind of source: yields the object, and a callable that lets these bytes arrive on it.
  SOURCES = {
    stream: lambda do |test, &block|
      accepted = nil
      peer = test.client(test.server(post_init: ->(it) { accepted = it }))
      test.as_soon_as(-> { accepted }) { block.call(accepted, ->(text) { peer.send_data(text) }) }
    end,
    datagram_socket: lambda do |test, &block|
      socket = test.datagram_socket
      peer = test.datagram_socket
      block.call(socket, ->(text) { peer.send_datagram(text, "127.0.0.1", test.port_of(socket.signature)) })
    end,
    process: lambda do |test, &block|
      child = EM.popen("cat", Recorder)
      block.call(child, ->(text) { child.send_data(text) })
    end,
    pipe: lambda do |test, &block|
      reader, writer = test.open_pipe
      block.call(EM.attach(reader, Recorder), ->(text) { writer.write(text) })
    end
  }.freeze

  # Each kind of target: yields the object, and a callable that returns what has left through it.
  TARGETS = {
    stream: lambda do |test, &block|
      accepted = nil
      peer = test.client(test.server(post_init: ->(it) { accepted = it }))
      test.as_soon_as(-> { accepted }) { block.call(accepted, -> { peer.received }) }
    end,
    datagram_socket: lambda do |test, &block|
      socket = test.datagram_socket
      test.introduced(socket) { |peer| block.call(socket, -> { peer.received }) }
    end,
    process: lambda do |_, &block|
      child = EM.popen("cat", Recorder)
      block.call(child, -> { child.received })
    end,
    pipe: lambda do |test, &block|
      reader, writer = test.open_pipe
      read = +""
      block.call(EM.attach(writer, Recorder), lambda do
        piece = reader.read_nonblock(100, exception: false)
        piece.is_a?(String) ? read << piece : read
      end)
    end
  }.freeze

  public :as_soon_as, :client, :port_of, :server

  SOURCES.each do |source_name, open_source|
    TARGETS.each do |target_name, open_target|
      define_method(:"test_from_a_#{source_name}_to_a_#{target_name}") do
        counts = []
        reactor do
          open_source.call(self) do |from, arrive|
            open_target.call(self) do |to, left|
              counts << EM.enable_proxy(from, to)
              arrive.call("relayed")
              as_soon_as(-> { left.call == "relayed" }) do
                counts << from.get_proxied_bytes
                EM.stop
              end
            end
          end
        end
        assert_equal [nil, 7], counts
      end
    end
  end

  def test_a_datagram_socket_reports_the_end_of_its_proxies
    socket = nil
    reactor do
      socket = datagram_socket
      peer = datagram_socket
      accepted = nil
      stream = client(server(post_init: ->(it) { accepted = it }))
      as_soon_as(-> { accepted }) do
        EM.enable_proxy(socket, accepted, 0, 5)
        peer.send_datagram("helloworld", "127.0.0.1", port_of(socket.signature))
        as_soon_as(-> { socket.received == "world" && stream.received == "hello" }) do
          socket.proxy_incoming_to(accepted)
          accepted.close_connection
          as_soon_as(-> { socket.reports.size == 2 }) { EM.stop }
        end
      end
    end
    assert_equal %i[completed target_unbound], socket.reports.first(2)
  end

  def test_send_data_answers_the_sender_of_a_datagram_that_was_relayed
    peer = nil
    reactor do
      SOURCES[:stream].call(self) do |stream, _|
        socket = datagram_socket
        EM.enable_proxy(socket, stream)
        peer = datagram_socket
        peer.send_datagram("question", "127.0.0.1", port_of(socket.signature))
        as_soon_as(-> { socket.get_proxied_bytes == 8 }) { socket.send_data("answer") }
        as_soon_as(-> { peer.received == "answer" }) { EM.stop }
      end
    end
    assert_equal "answer", peer.received
  end

  def test_watches_are_no_targets_and_are_ignored_as_sources
    message = results = nil
    reactor do
      SOURCES[:stream].call(self) do |stream, _|
        reader, = open_pipe
        watch = EM.watch(reader, Recorder)
        message = assert_raises(EM::ConnectionError) { EM.enable_proxy(stream, watch) }.message
        results = [EM.enable_proxy(watch, stream), watch.stop_proxying, watch.get_proxied_bytes]
        EM.stop
      end
    end
    assert_equal "Tried to proxy to an invalid descriptor", message
    assert_equal [nil, nil, 0], results
  end

  def test_the_keyboard_is_no_target_and_is_ignored_as_a_source
    message = result = nil
    reactor do
      SOURCES[:stream].call(self) do |stream, _|
        keyboard = EM.open_keyboard(Recorder)
        message = assert_raises(EM::ConnectionError) { EM.enable_proxy(stream, keyboard) }.message
        result = EM.enable_proxy(keyboard, stream)
        EM.stop
      end
    end
    assert_equal "Tried to proxy to an invalid descriptor", message
    assert_nil result
  end
end
