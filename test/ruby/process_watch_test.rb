# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# watch_process: the end of a process, whoever has started it.

require "test_helper"

class ProcessWatchTest < ReactorTest
  repeat_under_gc_pressure

  # Records what is called.
  class Watch < EM::ProcessWatch
    attr_reader :calls

    def initialize(on_unbind = nil)
      super
      @on_unbind = on_unbind
      @calls = []
    end

    def process_exited
      @calls << :process_exited
    end

    def unbind(reason = nil)
      @calls << [:unbind, reason]
      @on_unbind&.call
    end
  end

  def test_the_end_of_a_child_is_reported_and_its_status_left_to_the_program
    watch = nil
    pid = spawn("read line; exit 5", in: (pipe = IO.pipe)[0])
    reactor do
      watch = EM.watch_process(pid.to_s, Watch, -> { EM.stop })
      assert_equal pid, watch.pid
      EM.add_timer(0.01) do
        assert_empty watch.calls
        pipe[1].puts
      end
    end
    assert_equal [:process_exited, [:unbind, nil]], watch.calls
    assert_equal 5, Process.wait2(pid)[1].exitstatus
    assert_equal pid, watch.pid
  ensure
    pipe.each(&:close)
  end

  def test_a_process_of_popen_can_be_watched
    watch = nil
    reactor do
      process = EM.popen("cat")
      watch = EM.watch_process(process.get_pid, Watch, -> { EM.stop })
      process.close_connection
    end
    assert_equal [:process_exited, [:unbind, nil]], watch.calls
  end

  def test_a_watch_that_is_stopped_is_unbound_at_once_and_reports_nothing
    reactor do
      watch = EM.watch_process(Process.pid, Watch)
      assert_nil watch.stop_watching
      assert_equal [[:unbind, nil]], watch.calls
      error = assert_raises(EM::InvalidSignature) { watch.stop_watching }
      assert_equal "attempted to remove invalid pid signature", error.message
      assert_equal 0, EM.connection_count
      EM.stop
    end
  end

  def test_stopping_it_in_its_callback_is_harmless
    pid = spawn("exit 0")
    watch = nil
    handler = Module.new do
      define_method(:process_exited) { stop_watching }
      define_method(:unbind) { EM.stop }
    end
    reactor { watch = EM.watch_process(pid, handler) }
    assert_kind_of EM::ProcessWatch, watch
    Process.wait(pid)
  end

  def test_what_is_no_process_is_refused
    pid = spawn("exit 0")
    Process.wait(pid)
    reactor do
      assert_match(/\Aerror registering process #{pid} for watching: no such process/,
                   assert_raises(EM::Unsupported) { EM.watch_process(pid) }.message)
      assert_raises(EM::Unsupported) { EM.watch_process(0) }
      assert_raises(ArgumentError) { EM.watch_process(Process.pid, EM::Connection) }
      assert_raises(EM::InvalidSignature) { EM.unwatch_pid(1 << 40) }
      assert_raises(TypeError) { EM.unwatch_pid(nil) }
      assert_equal 0, EM.connection_count
      EM.stop
    end
  end

  def test_the_methods_of_a_connection_have_no_effect
    reactor do
      watch = EM.watch_process(Process.pid, Watch)
      assert_equal [nil, -1, false, false], [watch.close_connection, watch.send_data("x"), watch.pause, watch.paused?]
      assert_nil watch.start_tls
      assert_equal [nil, nil, 0], [watch.get_peername, watch.get_pid, watch.get_outbound_data_size]
      EM.next_tick do
        assert_empty watch.calls
        EM.stop
      end
    end
  end

  def test_watches_are_unbound_at_the_end_of_the_reactor
    watch = nil
    in_reactor { watch = EM.watch_process(Process.pid, Watch) }
    assert_equal [[:unbind, nil]], watch.calls
  end

  def test_another_thread_may_watch
    pid = spawn("exit 0")
    watch = nil
    reactor { Thread.new { watch = EM.watch_process(pid, Watch, -> { EM.stop }) } }
    assert_equal [:process_exited, [:unbind, nil]], watch.calls
    Process.wait(pid)
  end

  def test_a_watch_that_another_thread_stops_is_unbound_on_the_reactor_s_thread
    thread = nil
    errors = []
    reactor do
      watch = EM.watch_process(Process.pid, Watch, -> { (thread = Thread.current) && EM.stop })
      Thread.new do
        watch.stop_watching
        watch.stop_watching
      rescue EM::InvalidSignature => e
        errors << e.message
      end.join
    end
    assert_equal [Thread.current, ["attempted to remove invalid pid signature"]], [thread, errors]
  end

  def test_an_object_that_is_frozen_cannot_watch_and_leaves_nothing
    frozen = Class.new(EM::ProcessWatch) { def post_init = freeze }
    reactor do
      assert_raises(FrozenError) { EM.watch_process(Process.pid, frozen) }
      as_soon_as(-> { EM.connection_count.zero? }) { EM.stop }
    end
  end
end
