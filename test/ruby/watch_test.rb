# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# EM.watch: readiness of descriptors that the program reads and writes itself.

require "fcntl"
require "test_helper"

class WatchTest < ReactorTest
  repeat_under_gc_pressure except: [/costs_nothing/]

  # Records its callbacks, and plays what the test says.
  class Watcher < Scripted
    def notify_readable
      play(:notify_readable)
    end

    def notify_writable
      play(:notify_writable)
    end
  end

  def pipe
    ends = IO.pipe
    yield(*ends)
  ensure
    ends.each { |io| io.close unless io.closed? }
  end

  def watch(io, **script)
    EM.watch(io, Watcher, script)
  end

  # @return [String] what went wrong
  def refusal(error = RuntimeError)
    message = nil
    in_reactor { message = assert_raises(error) { yield }.message }
    message
  end

  def test_nothing_is_reported_until_it_is_asked_for
    pipe do |reader, writer|
      watcher = nil
      writer.write("x")
      reactor do
        watcher = watch(reader)
        refute watcher.notify_readable?
        EM.add_timer(0.02) { EM.stop }
      end
      assert_equal %i[initialize post_init unbind], watcher.events
    end
  end

  def test_readiness_is_reported_in_each_turn_while_it_lasts
    pipe do |reader, writer|
      count = 0
      reactor do
        watcher = watch(reader, notify_readable: ->(it) { (count += 1) == 5 && it.detach }, unbind: ->(*) { EM.stop })
        watcher.notify_readable = true
        assert watcher.notify_readable?
        refute watcher.notify_writable?
        writer.write("x")
      end
      assert_equal 5, count
      assert_equal "x", reader.read_nonblock(10)
    end
  end

  def test_it_can_be_asked_for_in_initialize_and_post_init
    %i[initialize post_init].each do |callback|
      pipe do |reader, writer|
        writer.write("x")
        reactor do
          watch(reader, callback => ->(it) { it.notify_readable = true }, notify_readable: ->(_) { EM.stop })
        end
      end
    end
  end

  def test_a_writable_descriptor_is_reported
    pipe do |_, writer|
      watcher = nil
      reactor do
        watcher = watch(writer, notify_writable: ->(_) { EM.stop })
        watcher.notify_writable = true
        assert watcher.notify_writable?
      end
      assert_includes watcher.events, :notify_writable
      refute_includes watcher.events, :notify_readable
    end
  end

  def test_only_true_switches_on
    pipe do |reader, writer|
      writer.write("x")
      watcher = nil
      reactor do
        watcher = watch(reader)
        [1, :yes, "true", nil, false].each do |mode|
          watcher.notify_readable = true
          watcher.notify_readable = mode
          refute watcher.notify_readable?
        end
        EM.add_timer(0.01) { EM.stop }
      end
      refute_includes watcher.events, :notify_readable
    end
  end

  def test_flags_are_left_as_they_are_and_the_io_stays_open
    pipe do |reader, _|
      before = [reader.fcntl(Fcntl::F_GETFL), reader.close_on_exec?]
      in_reactor { watch(reader).notify_readable = true }
      assert_equal before, [reader.fcntl(Fcntl::F_GETFL), reader.close_on_exec?]
      refute_predicate reader, :closed?
    end
  end

  def test_the_end_of_a_pipe_is_readable_and_an_error_is_whichever_is_on
    pipe do |reader, writer|
      writer.close
      reactor { watch(reader, notify_readable: ->(_) { EM.stop }).notify_readable = true }
    end
    %i[notify_readable notify_writable].each do |callback|
      pipe do |reader, writer|
        reader.close
        reactor { watch(writer, callback => ->(_) { EM.stop }).public_send(:"#{callback}=", true) }
      end
    end
  end

  def test_a_hang_up_that_nobody_asks_for_costs_nothing
    pipe do |reader, writer|
      used = nil
      reactor do
        watch(reader)
        writer.close
        before = processor_time
        EM.add_timer(0.2) { (used = processor_time - before) && EM.stop }
      end
      assert_operator used, :<, 0.1
    end
  end

  def test_a_regular_file_is_always_ready
    count = 0
    File.open(__FILE__) do |file|
      reactor do
        watch(file, notify_readable: ->(_) { (count += 1) == 3 && EM.stop }).notify_readable = true
      end
    end
    assert_equal 3, count
  end

  def test_switching_off_in_another_s_callback_suppresses_a_pending_report
    pipe do |one, writer|
      other, other_writer = IO.pipe
      watchers = []
      reactor do
        stop_all = ->(_) { watchers.each { |it| it.notify_readable = false } && EM.add_timer(0.01) { EM.stop } }
        watchers = [one, other].map { |io| watch(io, notify_readable: stop_all) }
        [writer, other_writer].each { |io| io.write("x") }
        watchers.each { |it| it.notify_readable = true }
      end
      assert_equal(1, watchers.sum { |it| it.events.count(:notify_readable) })
    ensure
      [other, other_writer].each(&:close)
    end
  end

  def test_detach_returns_the_descriptor_and_unbind_follows
    pipe do |reader, _|
      detached = watcher = nil
      reactor do
        watcher = watch(reader, unbind: ->(*) { EM.stop })
        EM.add_timer(0.005) do
          detached = watcher.detach
          assert_equal "invalid binding to detach", assert_raises(RuntimeError) { watcher.detach }.message
          assert_equal(-1, EM.get_file_descriptor(watcher.signature))
        end
      end
      assert_equal reader.fileno, detached
      assert_nil watcher.reason
      refute_predicate reader, :closed?
    end
  end

  def test_a_watch_made_in_the_same_turn_vanishes_without_unbind
    pipe do |reader, _|
      watcher = nil
      in_reactor { (watcher = watch(reader)).detach }
      assert_equal %i[initialize post_init], watcher.events
    end
  end

  def test_a_number_can_be_watched_again_at_once_after_detach_and_close
    second = []
    pipe do |first, writer|
      reactor do
        writer.write("x")
        watch(first, notify_readable: lambda do |it|
          number = it.detach
          first.close
          second = IO.pipe
          second.last.write("y")
          assert_equal number, second.first.fileno
          watch(second.first, notify_readable: ->(_) { EM.stop }).notify_readable = true
        end).notify_readable = true
      end
    end
  ensure
    second.each(&:close)
  end

  def test_a_descriptor_is_watched_or_attached_once
    pipe do |reader, _|
      assert_equal "adding existing descriptor", refusal { 2.times { watch(reader) } }
      assert_equal "adding existing descriptor", refusal { watch(reader) && EM.attach(reader) }
      in_reactor { watch(reader) } # nothing is left of the former runs
      assert_equal "adding existing descriptor", refusal { EM.attach(reader.fileno) && watch(reader) }
    end
  end

  def test_what_is_not_open_is_refused
    assert_equal "Bad file descriptor", refusal { watch(987) }
    assert_equal "Bad file descriptor", refusal { EM.attach_fd(987, true) }
    assert_raises(TypeError) { in_reactor { watch("a path") } }
  end

  def test_what_a_watch_cannot_do_raises_and_changes_nothing
    pipe do |reader, _|
      messages = nil
      reactor do
        watcher = watch(reader)
        messages = [-> { watcher.send_data("x") }, -> { watcher.close_connection },
                    -> { watcher.close_connection_after_writing }, -> { watcher.pause }, -> { watcher.resume }]
                   .map { |call| assert_raises(RuntimeError, &call).message }
        assert_predicate watcher, :watch_only?
        refute_predicate watcher, :paused?
        refute_predicate watcher, :error?
        assert_equal 0, watcher.get_outbound_data_size
        assert_kind_of Numeric, watcher.get_idle_time
        assert_equal [0.0, false], [watcher.comm_inactivity_timeout, watcher.set_comm_inactivity_timeout(1)]
        EM.add_timer(0.005) { EM.stop }
      end
      pausing = "cannot pause/resume 'watch only' connections, set notify readable/writable instead"
      assert_equal ["cannot send data on a 'watch only' connection", "cannot close 'watch only' connections",
                    "cannot close 'watch only' connections", pausing, pausing], messages
    end
  end

  def test_a_watched_socket_has_addresses_and_options
    client = TCPSocket.new("127.0.0.1", (socket = listener).local_address.ip_port)
    in_reactor do
      watcher = EM.watch(client, Watcher)
      assert_equal client.remote_address.to_sockaddr, watcher.get_peername
      assert_equal client.local_address.to_sockaddr, watcher.get_sockname
      assert_equal 0, watcher.set_sock_opt(Socket::SOL_SOCKET, Socket::SO_KEEPALIVE, true)
      refute_equal 0, watcher.get_sock_opt(Socket::SOL_SOCKET, Socket::SO_KEEPALIVE).unpack1("i")
    end
    [client, socket].each(&:close)
  end

  def test_after_unbind_it_answers_like_any_connection_that_is_gone
    pipe do |reader, _|
      watcher = nil
      reactor do
        watcher = watch(reader, unbind: ->(*) { EM.stop })
        EM.add_timer(0.005) { watcher.detach }
      end
      in_reactor do
        refute_predicate watcher, :watch_only?
        refute_predicate watcher, :notify_readable?
        refute_predicate watcher, :notify_writable?
        watcher.notify_readable = true
        assert_equal [-1, true, nil, false],
                     [watcher.send_data("x"), watcher.error?, watcher.close_connection, watcher.pause]
      end
    end
  end

  def test_callbacks_may_be_private_and_missing_ones_raise
    handler = Class.new(EM::Connection) { private def notify_readable = EM.stop }
    pipe do |reader, writer|
      writer.write("x")
      reactor { EM.watch(reader, handler) { |it| it.notify_readable = true } }
      assert_raises(NoMethodError) { reactor { EM.watch(reader) { |it| it.notify_readable = true } } }
    end
  end

  def test_another_thread_may_watch_and_its_object_is_complete_before_it_is_called
    pipe do |reader, writer|
      writer.write("x")
      complete = false
      seen = nil
      reactor do
        Thread.new do
          watch(reader, initialize: ->(it) { (it.notify_readable = true) && sleep(0.02) },
                        post_init: ->(_) { complete = true },
                        notify_readable: ->(it) { (seen = complete) && it.notify_readable = false })
        end
        as_soon_as(-> { !seen.nil? }) { EM.stop }
      end
      assert seen
    end
  end

  def test_the_reactor_s_end_unbinds_watches
    pipe do |reader, _|
      watcher = nil
      in_reactor { watcher = watch(reader) }
      assert_equal [:unbind, nil], [watcher.events.last, watcher.reason]
      refute_predicate reader, :closed?
    end
  end
end
