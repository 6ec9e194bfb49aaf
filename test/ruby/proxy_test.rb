# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# Proxies: enable_proxy and what belongs to it.

require "test_helper"

class ProxyTest < ReactorTest
  # Those that relay megabytes take many turns.
  repeat_under_gc_pressure full: true, except: [
    /what_arrives/, /bufsize/, /held_back/, /leaves_the_target_open/, /stopped_with/, /unix_domain/, /decrypted/
  ]

  LARGE = Random.new(1).bytes(3_000_000).freeze

  # Yields two accepted connections and the clients at their other ends.
  def pair(from: {}, to: {})
    accepted = {}
    from_peer = client(server(**from, post_init: ->(it) { accepted[:from] = it }))
    to_peer = client(server(**to, post_init: ->(it) { accepted[:to] = it }))
    as_soon_as(-> { accepted.size == 2 }) { yield accepted[:from], accepted[:to], from_peer, to_peer }
  end

  def stop_when(&condition)
    as_soon_as(condition) { EM.stop }
  end

  def test_what_arrives_on_one_connection_is_sent_by_the_other
    results = from = to_peer = nil
    reactor do
      pair do |source, to, from_peer, peer|
        from = source
        to_peer = peer
        results = [EM.enable_proxy(from, to), from.get_proxied_bytes]
        from_peer.send_data(LARGE)
        as_soon_as(-> { peer.received.bytesize == LARGE.bytesize }) do
          results << from.get_proxied_bytes
          EM.stop
        end
      end
    end
    assert_equal [nil, 0, LARGE.bytesize], results
    assert_equal LARGE, to_peer.received
    refute_includes from.events, :receive_data
  end

  def test_proxy_incoming_to_and_stop_proxying
    from = to_peer = nil
    results = []
    reactor do
      pair do |source, to, from_peer, peer|
        from = source
        to_peer = peer
        results << from.proxy_incoming_to(to)
        from_peer.send_data("relayed")
        as_soon_as(-> { peer.received == "relayed" }) do
          results << from.stop_proxying << from.stop_proxying << from.get_proxied_bytes
          from_peer.send_data("received")
          stop_when { from.received == "received" }
        end
      end
    end
    assert_equal [nil, nil, nil, 7], results
    assert_equal "relayed", to_peer.received
  end

  def test_after_its_length_the_surplus_is_received
    from = to_peer = nil
    reactor do
      pair do |source, to, from_peer, peer|
        from = source
        to_peer = peer
        EM.enable_proxy(from, to, 0, 5)
        from_peer.send_data("helloworld")
        stop_when { from.received == "world" && peer.received == "hello" }
      end
    end
    assert_equal %i[proxy_completed receive_data], from.events[2, 2]
    assert_equal 1, from.events.count(:proxy_completed)
  end

  def test_with_a_bufsize_a_slow_target_holds_the_source_back
    queued = []
    paused = nil
    to_peer = nil
    reactor do
      pair do |from, to, from_peer, peer|
        to_peer = peer
        to_peer.pause
        EM.enable_proxy(from, to, 10_000)
        from_peer.send_data(LARGE * 4)
        EM.add_periodic_timer(0.001) { queued << to.get_outbound_data_size }
        as_soon_as(-> { queued.size > 200 && queued.last > 10_000 }) do
          paused = from.paused?
          to_peer.resume
        end
        stop_when { peer.received.bytesize == LARGE.bytesize * 4 }
      end
    end
    refute paused
    assert_operator queued.max, :<=, 10_000 + 64 * 1024
    assert_equal LARGE * 4, to_peer.received
  end

  def test_resuming_by_the_proxy_does_not_end_a_pause_of_the_program
    before = after = nil
    reactor do
      pair do |from, to, from_peer, to_peer|
        EM.enable_proxy(from, to, 1)
        from.pause
        from_peer.send_data("x" * 1000)
        EM.add_timer(0.02) do
          before = from.get_proxied_bytes
          from.resume
        end
        as_soon_as(-> { to_peer.received.bytesize == 1000 }) do
          after = from.get_proxied_bytes
          EM.stop
        end
      end
    end
    assert_equal [0, 1000], [before, after]
  end

  def test_when_the_target_ends_the_source_is_told_right_after_its_unbind
    order = []
    from = nil
    script = {
      from: { proxy_target_unbound: ->(_) { order << :told } },
      to: { unbind: ->(*) { order << :unbind } }
    }
    reactor do
      pair(**script) do |source, to, from_peer, _|
        from = source
        EM.enable_proxy(from, to)
        to.close_connection
        from_peer.send_data("later")
        stop_when { from.received == "later" }
      end
    end
    assert_equal %i[unbind told], order
    assert_equal 1, from.events.count(:proxy_target_unbound)
  end

  # The usual handler of a target closes the source, and that of the source writes a log.
  def test_a_source_that_is_closed_in_the_unbind_of_its_target_is_told_before_its_own_unbind
    %i[close_connection close_connection_after_writing].each do |close|
      order = []
      source = nil
      script = {
        from: { proxy_target_unbound: ->(_) { order << :told }, unbind: ->(*) { order << :source_unbind } },
        to: { unbind: ->(*) { order << :target_unbind and source.__send__(close) } }
      }
      reactor do
        pair(**script) do |from, to, *|
          source = from
          EM.enable_proxy(from, to)
          to.close_connection
          stop_when { order.include?(:source_unbind) }
        end
      end
      assert_equal %i[target_unbind told source_unbind], order
    end
  end

  def test_a_source_that_is_held_back_is_resumed_when_its_target_ends
    relayed = from = nil
    reactor do
      pair do |source, to, from_peer, to_peer|
        from = source
        to_peer.pause
        EM.enable_proxy(from, to, 1000)
        from_peer.send_data(LARGE * 4)
        as_soon_as(-> { to.get_outbound_data_size > 1000 }) { to.close_connection }
        as_soon_as(-> { from.events.include?(:proxy_target_unbound) }) do
          relayed = from.get_proxied_bytes
          stop_when { from.received.bytesize + relayed == LARGE.bytesize * 4 }
        end
      end
    end
    assert_equal (LARGE * 4)[relayed..], from.received
  end

  def test_the_end_of_the_source_leaves_the_target_open_and_everything_relayed_arrives
    count = to_peer = to = nil
    closing = lambda do |from, _|
      count = from.get_proxied_bytes
      to.close_connection_after_writing
    end
    reactor do
      pair(from: { unbind: closing }) do |from, target, from_peer, peer|
        to = target
        to_peer = peer
        to_peer.pause
        EM.enable_proxy(from, to)
        from_peer.send_data(LARGE)
        from_peer.close_connection_after_writing
        as_soon_as(-> { count }) { to_peer.resume }
        stop_when { peer.events.include?(:unbind) }
      end
    end
    assert_equal LARGE.bytesize, count
    assert_equal LARGE, to_peer.received
    refute_includes to.events, :proxy_target_unbound
  end

  def test_another_target_replaces_the_first
    counts = []
    peers = nil
    reactor do
      pair do |from, first, from_peer, first_peer|
        EM.connect("127.0.0.1", server(post_init: ->(it) { peers = [first_peer, it] }), Scripted) do |second|
          EM.enable_proxy(from, first)
          from_peer.send_data("one")
          as_soon_as(-> { first_peer.received == "one" }) do
            EM.enable_proxy(from, second)
            counts << from.get_proxied_bytes
            from_peer.send_data("second")
            stop_when { peers && peers.last.received == "second" && counts << from.get_proxied_bytes }
          end
        end
      end
    end
    assert_equal [0, 6], [counts.first, counts.last]
    assert_equal "one", peers.first.received
  end

  def test_two_connections_may_be_proxied_to_each_other
    received = nil
    reactor do
      pair do |from, to, from_peer, to_peer|
        from.proxy_incoming_to(to)
        to.proxy_incoming_to(from)
        from_peer.send_data("ping")
        to_peer.send_data("pong")
        stop_when { (received = [from_peer.received, to_peer.received]).none?(&:empty?) }
      end
    end
    assert_equal %w[pong ping], received
  end

  # What is refused

  def assert_refused(message, &block)
    assert_equal message, assert_raises(EM::ConnectionError, &block).message
  end

  def test_a_second_source_for_a_target_is_refused_and_changes_nothing
    other = to_peer = nil
    reactor do
      pair do |from, to, from_peer, peer|
        to_peer = peer
        EM.enable_proxy(from, to)
        other = client(server(post_init: ->(it) { it.send_data("mine") }))
        assert_refused("Tried to proxy to a busy target") { EM.enable_proxy(other, to) }
        from_peer.send_data("first")
        stop_when { other.received == "mine" && peer.received == "first" }
      end
    end
    assert_equal "first", to_peer.received
  end

  def test_targets_that_are_gone_or_the_source_itself_are_refused
    reactor do
      pair do |from, to, _, _|
        signature = to.signature
        assert_refused("Tried to proxy a connection to itself") { EM.enable_proxy(from, from) }
        assert_refused("Tried to proxy to an invalid descriptor") { EM.start_proxy(from.signature, 10**15, 0, 0) }
        to.close_connection
        as_soon_as(-> { to.events.include?(:unbind) }) do
          assert_refused("Tried to proxy to an invalid descriptor") { EM.start_proxy(from.signature, signature, 0, 0) }
          assert_refused("Tried to proxy to an invalid descriptor") { EM.enable_proxy(from, to) }
          EM.stop
        end
      end
    end
  end

  def test_a_target_is_refused_within_its_unbind
    message = nil
    from = nil
    refused = lambda do |to, _|
      message = assert_raises(EM::ConnectionError) { EM.enable_proxy(from, to) }.message
      EM.stop
    end
    reactor do
      pair(to: { unbind: refused }) do |source, to, _, _|
        from = source
        to.close_connection
      end
    end
    assert_equal "Tried to proxy to an invalid descriptor", message
  end

  def test_a_source_that_is_gone_is_ignored
    results = nil
    reactor do
      pair do |from, to, _, _|
        from.close_connection
        as_soon_as(-> { from.events.include?(:unbind) }) do
          results = [EM.enable_proxy(from, to), from.proxy_incoming_to(from), from.stop_proxying,
                     EM.disable_proxy(from), from.get_proxied_bytes]
          EM.stop
        end
      end
    end
    assert_equal [nil, nil, nil, nil, 0], results
  end

  def test_arguments_are_checked
    reactor do
      pair do |from, to, _, _|
        assert_raises(ArgumentError) { EM.enable_proxy(from, to, -1) }
        assert_raises(ArgumentError) { EM.enable_proxy(from, to, 0, -1) }
        assert_raises(RangeError) { EM.enable_proxy(from, to, 2**64) }
        assert_raises(TypeError) { EM.enable_proxy(from, to, "many") }
        assert_raises(TypeError) { EM.start_proxy("1", to.signature, 0, 0) }
        assert_raises(TypeError) { EM.start_proxy(from.signature, nil, 0, 0) }
        assert_raises(TypeError) { EM.stop_proxy(nil) }
        assert_raises(TypeError) { EM.get_proxied_bytes(nil) }
        assert_equal 0, from.get_proxied_bytes
        EM.stop
      end
    end
  end

  # Callbacks

  def test_callbacks_may_be_private_and_an_error_in_one_goes_to_the_error_handler
    errors = []
    EM.error_handler { |error| errors << error.message }
    reactor do
      pair do |from, to, from_peer, _|
        from.singleton_class.class_eval do
          private

          def proxy_completed
            raise "in proxy_completed"
          end
        end
        EM.enable_proxy(from, to, 0, 1)
        from_peer.send_data("xy")
        stop_when { from.received == "y" }
      end
    end
    assert_equal ["in proxy_completed"], errors
  ensure
    EM.error_handler(nil)
  end

  def test_the_reactor_may_be_stopped_with_proxies
    reactor do
      pair do |from, to, from_peer, _|
        from.proxy_incoming_to(to)
        to.proxy_incoming_to(from)
        from_peer.send_data(LARGE)
        EM.next_tick { EM.stop }
      end
    end
  end

  def test_over_unix_domain_sockets
    received = nil
    reactor do
      from = nil
      path = socket_path
      EM.start_unix_domain_server(path, Scripted, { post_init: ->(it) { from = it } })
      from_peer = EM.connect_unix_domain(path, Scripted)
      to_peer = nil
      to = client(server(post_init: ->(it) { to_peer = it }))
      as_soon_as(-> { from && to_peer }) do
        from.proxy_incoming_to(to, 1000)
        from_peer.send_data(LARGE)
        stop_when { (received = to_peer.received).bytesize == LARGE.bytesize }
      end
    end
    assert_equal LARGE, received
  end

  def test_decrypted_bytes_are_relayed
    received = nil
    reactor do
      from = to_peer = nil
      tls = ->(it) { it.start_tls }
      from_peer = client(server(post_init: ->(it) { tls.call(from = it) }), post_init: ->(it) { it.start_tls })
      to = client(server(post_init: ->(it) { tls.call(to_peer = it) }), post_init: ->(it) { it.start_tls })
      as_soon_as(-> { from && to_peer }) do
        from.proxy_incoming_to(to, 10_000)
        from_peer.send_data(LARGE)
        stop_when { (received = to_peer.received).bytesize == LARGE.bytesize }
      end
    end
    assert_equal LARGE, received
  end
end
