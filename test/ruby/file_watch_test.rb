# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# Watching files: EM.watch_file and FileWatch.

require "test_helper"
require_relative "support/watched_file"

class FileWatchTest < ReactorTest
  include WatchedFile

  repeat_under_gc_pressure except: [/many|lost|limit|entries/]

  # Watches the file, runs the block, and returns the events until one of them is `stop_at`.
  def watched(stop_at, path = @path)
    events = []
    reactor do
      watch = EM.watch_file(path, Recorder, events, stop_at)
      yield watch
    end
    events
  end

  def test_a_write_is_reported
    assert_equal [:modified, [:unbind, nil]], watched(:modified) { append }
  end

  def test_a_renamed_file_is_watched_on_under_its_old_name
    path = nil
    events = watched(:modified) do |watch|
      File.rename(@path, "#{@path}2")
      File.write("#{@path}2", "x", mode: "a")
      path = watch.path
    end
    assert_equal [:moved, :modified, [:unbind, nil]], events
    assert_equal @path, path
  end

  def test_a_deleted_file_ends_its_watch
    events = watched([:unbind, nil]) { File.unlink(@path) }
    assert_equal [:deleted, [:unbind, nil]], events
  end

  def test_entries_of_a_directory_are_reported_as_modifications
    events = watched(:modified, @watched_directory) { File.write("#{@path}2", "") }
    assert_equal :modified, events.first
  end

  def test_reading_and_attributes_are_not_reported
    events = watched(:modified) do
      File.read(@path)
      File.chmod(0o600, @path)
      File.link(@path, "#{@path}2")
      File.unlink("#{@path}2")
      EM.add_timer(0.02) { append }
    end
    assert_equal [:modified, [:unbind, nil]], events
  end

  def test_a_file_that_is_replaced_can_be_watched_again_in_unbind
    replaced = 0
    reactor do
      again = lambda do
        EM.watch_file(@path) do |watch|
          watch.define_singleton_method(:unbind) do |_reason = nil|
            next unless EM.reactor_running?

            (replaced += 1) < 10 ? again.call : EM.stop
          end
        end
        File.write("#{@path}.new", "x")
        File.rename("#{@path}.new", @path)
      end
      again.call
    end
    assert_operator replaced, :>=, 10
  end

  def test_stop_watching_calls_unbind_before_it_returns
    events = []
    in_reactor do
      watch = EM.watch_file(@path, Recorder, events)
      assert_nil watch.stop_watching
      assert_equal [[:unbind, nil]], events
      assert_raises(EM::InvalidSignature) { watch.stop_watching }
    end
    assert_equal [[:unbind, nil]], events
  end

  def test_stopping_twice_names_the_mistake
    in_reactor do
      watch = EM.watch_file(@path)
      watch.stop_watching
      error = assert_raises(EM::InvalidSignature) { watch.stop_watching }
      assert_equal "attempted to remove invalid watch signature", error.message
      assert_raises(EM::InvalidSignature) { EM.unwatch_filename(12_345_678) }
      assert_raises(TypeError) { EM.unwatch_filename("1") }
    end
  end

  def test_stopping_after_the_file_was_deleted_raises
    reactor do
      watch = EM.watch_file(@path, Recorder, events = [])
      File.unlink(@path)
      as_soon_as(-> { events.include?([:unbind, nil]) }) do
        assert_raises(EM::InvalidSignature) { watch.stop_watching }
        EM.stop
      end
    end
  end

  def test_a_callback_may_stop_another_watch_that_has_events
    other = "#{@path}2"
    File.write(other, "")
    called = []
    reactor do
      watches = [@path, other].map { |path| EM.watch_file(path) }
      watches.each do |watch|
        watch.define_singleton_method(:file_modified) do
          called << path
          watches.each(&:stop_watching)
          EM.add_timer(0.02) { EM.stop }
        end
      end
      [@path, other].each { |path| File.write(path, "x") }
    end
    assert_equal 1, called.size
  end

  def test_without_descriptors_the_error_names_the_limits
    in_reactor do
      soft, hard = Process.getrlimit(:NOFILE)
      begin
        Process.setrlimit(:NOFILE, 1, hard)
        error = assert_raises(EM::Unsupported) { EM.watch_file(@path) }
      ensure
        Process.setrlimit(:NOFILE, soft, hard)
      end
      assert_match(/\Aerror registering file .* for watching: Too many open files/, error.message)
      assert_includes error.message, "fs.inotify.max_user_instances"
      EM.watch_file(@path).stop_watching
    end
  end

  def test_a_stopped_watch_hears_nothing_of_what_was_pending
    events = []
    reactor do
      watch = EM.watch_file(@path, Recorder, events)
      append
      watch.stop_watching
      again = []
      EM.watch_file(@path, Recorder, again, :modified)
      EM.add_timer(0.02) do
        assert_empty again
        append
      end
    end
    assert_equal [[:unbind, nil]], events
  end

  def test_a_watch_may_be_stopped_in_its_callback_and_begun_again
    count = 0
    reactor do
      EM.watch_file(@path) do |watch|
        watch.define_singleton_method(:file_modified) do
          count += 1
          stop_watching
          EM.watch_file(path, Recorder, [], :modified)
          EM.add_timer(0.02) { File.write(path, "again") }
        end
      end
      append
    end
    assert_equal 1, count
  end

  def test_only_the_first_watch_of_a_file_is_served
    first = []
    second = []
    File.link(@path, "#{@path}2")
    reactor do
      EM.watch_file(@path, Recorder, first, :modified)
      other = EM.watch_file("#{@path}2", Recorder, second)
      assert_equal "#{@path}2", other.path
      error = assert_raises(EM::InvalidSignature) { other.stop_watching }
      assert_equal "attempted to remove invalid watch signature", error.message
      EM.watch_file(@path, Recorder, second)
      append
    end
    assert_equal [:modified, [:unbind, nil]], first
    assert_empty second
  end

  def test_after_the_first_watch_has_ended_the_next_is_served
    events = []
    reactor do
      EM.watch_file(@path).stop_watching
      EM.watch_file(@path, Recorder, events, :modified)
      append
    end
    assert_equal [:modified, [:unbind, nil]], events
  end

  def test_methods_that_carry_bytes_have_no_effect
    in_reactor do
      watch = EM.watch_file(@path)
      assert_nil watch.close_connection
      assert_nil watch.close_connection_after_writing
      assert_equal(-1, watch.send_data("x"))
      assert_nil watch.start_tls
      refute watch.pause
      refute watch.paused?
      refute watch.resume
      assert_nil watch.get_peername
      assert_equal 0, watch.get_outbound_data_size
      assert_equal 0, EM.num_close_scheduled
      watch.stop_watching
    end
  end

  def test_watches_are_counted_and_found_until_they_end
    in_reactor do
      before = EM.connection_count
      watch = EM.watch_file(@path)
      assert_equal before + 1, EM.connection_count
      assert_same watch, EM.instance_variable_get(:@conns)[watch.signature]
      watch.stop_watching
      assert_equal before, EM.connection_count
      assert_nil EM.instance_variable_get(:@conns)[watch.signature]
    end
  end

  def test_a_missing_file_raises_with_the_reason
    in_reactor do
      error = assert_raises(EM::Unsupported) { EM.watch_file("#{@path}.missing") }
      assert_equal "error registering file #{@path}.missing for watching: No such file or directory", error.message
      error = assert_raises(EM::Unsupported) { EM.watch_file("") }
      assert_equal "error registering file  for watching: No such file or directory", error.message
      assert_equal 0, EM.connection_count
    end
  end

  def test_a_name_of_any_length_is_named_in_the_error
    name = "x" * 100_000
    in_reactor do
      error = assert_raises(EM::Unsupported) { EM.watch_file(name) }
      assert_includes error.message, name
      assert_includes error.message, "File name too long"
    end
  end

  def test_unsuitable_arguments_are_refused_before_anything_is_watched
    in_reactor do
      assert_raises(ArgumentError) { EM.watch_file(@path, EM::Connection) }
      assert_raises(TypeError) { EM.watch_file(@path, "handler") }
      assert_raises(TypeError) { EM.watch_file(1) }
      assert_raises(ArgumentError) { EM.watch_file("a\0b") }
      assert_raises(ArgumentError) { EM.watch_file(@path, Class.new(EM::FileWatch) { def initialize(one); end }) }
      assert_equal 0, EM.connection_count
    end
  end

  def test_without_a_reactor_nothing_is_watched
    error = assert_raises(RuntimeError) { EM.watch_file(@path) }
    assert_match(/eventmachine not initialized/, error.message)
    error = assert_raises(RuntimeError) { EM.unwatch_filename(1) }
    assert_match(/eventmachine not initialized/, error.message)
  end

  def test_a_module_used_for_connections_serves_watches_too
    events = []
    handler = Module.new { include Recorder }
    reactor do
      EM.connect("127.0.0.1", server, Module.new { include handler })
      watch = EM.watch_file(@path, handler, events, :modified)
      assert_kind_of EM::FileWatch, watch
      append
    end
    assert_equal :modified, events.first
  end

  def test_the_order_of_construction
    order = []
    handler = Class.new(EM::FileWatch) do
      define_method(:initialize) { |*arguments| order << [:initialize, arguments, path] }
      define_method(:post_init) { order << [:post_init, path] }
    end
    in_reactor { EM.watch_file(@path, handler, 1, 2) { |watch| order << [:block, watch.path] } }
    assert_equal [[:initialize, [1, 2], nil], [:post_init, nil], [:block, @path]], order
  end

  def test_a_constructor_that_raises_leaves_no_watch
    reactor do
      handler = Class.new(EM::FileWatch) { def post_init = raise("no") }
      assert_raises(RuntimeError) { EM.watch_file(@path, handler) }
      assert_raises(RuntimeError) { EM.watch_file(@path, handler) }
      as_soon_as(-> { EM.connection_count.zero? }) { EM.stop }
    end
  end

  def test_events_go_through_receive_data
    words = []
    reactor do
      watch = EM.watch_file(@path, Recorder, [], [:unbind, nil])
      watch.define_singleton_method(:receive_data) do |data|
        words << data
        super(data)
      end
      append
      File.rename(@path, "#{@path}2")
      File.unlink("#{@path}2")
    end
    assert_equal %w[modified moved deleted], words
  end

  def test_an_exception_in_a_callback_leaves_run
    error = assert_raises(RuntimeError) do
      reactor do
        EM.watch_file(@path) { |watch| watch.define_singleton_method(:file_modified) { raise "in a callback" } }
        append
      end
    end
    assert_equal "in a callback", error.message
  end

  def test_the_end_of_the_reactor_unbinds_watches
    events = []
    in_reactor { EM.watch_file(@path, Recorder, events) }
    assert_equal [[:unbind, nil]], events
  end

  def test_the_primitives_work_with_signatures
    in_reactor do
      signature = EM.watch_filename(@path)
      assert_kind_of Integer, signature
      assert_nil EM.unwatch_filename(signature)
      assert_raises(EM::InvalidSignature) { EM.unwatch_filename(signature) }
    end
  end

  def test_an_object_that_is_frozen_cannot_watch_and_leaves_nothing
    frozen = Class.new(EM::FileWatch) { def post_init = freeze }
    reactor do
      assert_raises(FrozenError) { EM.watch_file(@path, frozen) }
      as_soon_as(-> { EM.connection_count.zero? }) { EM.stop }
    end
  end

  # Each page of entries that the extension keeps is an object.
  def test_further_watches_whose_constructors_raise_leave_no_entries
    handler = Class.new(EM::FileWatch) { def post_init = raise("no") }
    in_reactor do
      EM.watch_file(@path)
      GC.start
      before = ObjectSpace.count_objects[:T_DATA]
      10_000.times { assert_raises(RuntimeError) { EM.watch_file(@path, handler) } }
      GC.start
      assert_operator ObjectSpace.count_objects[:T_DATA] - before, :<, 20
      assert_equal 1, EM.connection_count
    end
  end

  def test_many_watches
    paths = Array.new(1000) { |i| "#{@path}#{i}".tap { |path| File.write(path, "") } }
    modified = 0
    reactor do
      paths.each do |path|
        EM.watch_file(path) do |watch|
          watch.define_singleton_method(:file_modified) { EM.stop if (modified += 1) == paths.size }
        end
      end
      paths.each { |path| File.write(path, "x", mode: "a") }
    end
    assert_equal paths.size, modified
  end

  def test_lost_events_are_reported_as_a_modification
    limit = "/proc/sys/fs/inotify/max_queued_events"
    skip "there is no inotify" unless File.exist?(limit)
    other = "#{@path}2"
    File.write(other, "")
    events = []
    unchanged = "#{@path}3"
    File.write(unchanged, "")
    reactor do
      EM.watch_file(other) { |watch| watch.define_singleton_method(:file_modified) {} }
      EM.watch_file(@path) { |watch| watch.define_singleton_method(:file_modified) {} }
      EM.watch_file(unchanged, Recorder, events, :modified)
      (File.read(limit).to_i / 2 + 10).times { |i| [other, @path].each { |path| File.truncate(path, i % 2) } }
    end
    assert_equal [:modified, [:unbind, nil]], events
  end

  def test_the_descriptor_is_not_inherited
    in_reactor do
      EM.watch_file(@path)
      descriptors = Dir.children("/proc/self/fd").map { |number| File.readlink("/proc/self/fd/#{number}") rescue nil }
      skip "there is no inotify" unless descriptors.grep(/inotify/).any?
      refute_match(/inotify/, IO.popen(%w[ls -l /proc/self/fd], close_others: false, &:read))
    end
  end
end
