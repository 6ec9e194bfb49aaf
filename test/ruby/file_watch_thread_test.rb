# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# Watching files from threads other than the reactor's.

require "test_helper"
require_relative "support/watched_file"

class FileWatchThreadTest < ReactorTest
  include WatchedFile

  repeat_under_gc_pressure

  def test_another_thread_may_watch
    events = []
    reactor do
      Thread.new do
        EM.watch_file(@path, Recorder, events, :modified)
        append
      end
    end
    assert_equal :modified, events.first
  end

  def test_what_happens_while_another_thread_constructs_the_object_is_not_missed
    path = @path
    events = []
    handler = Class.new(EM::FileWatch) do
      include Recorder
      define_method(:post_init) do
        File.write(path, "x")
        sleep 0.05 # the reactor runs meanwhile
      end
    end
    reactor { Thread.new { EM.watch_file(path, handler, events, :modified) } }
    assert_equal :modified, events.first
  end

  # A watch by another thread, whose object is made once the reactor has seen what the block does.
  # @return [Thread]
  def watch_held_until_seen(handler, *args)
    Thread.new do
      make = method(:append)
      seen = Thread::Queue.new
      work = -> { yield make }
      klass = Class.new(handler) do
        define_method(:post_init) do
          work.call
          EM.schedule { EM.add_timer(0.01) { seen << true } }
          seen.pop
        end
      end
      EM.watch_file(@path, klass, *args)
    end
  end

  class RecorderWatch < EM::FileWatch
    include WatchedFile::Recorder
  end

  def test_a_deletion_while_another_thread_constructs_the_object_is_reported_as_such
    events = []
    reactor { watch_held_until_seen(RecorderWatch, events, [:unbind, nil]) { File.unlink(@path) } }
    assert_equal [:deleted, [:unbind, nil]], events
  end

  def test_all_that_happens_while_another_thread_constructs_the_object_is_reported
    events = []
    reactor do
      watch_held_until_seen(RecorderWatch, events, [:unbind, nil]) do |write|
        write.call
        File.rename(@path, "#{@path}2")
        File.unlink("#{@path}2")
      end
    end
    assert_equal [:modified, :moved, :deleted, [:unbind, nil]], events
  end

  def test_a_watch_made_by_another_thread_may_be_stopped_when_that_is_reported
    stopping = Class.new(RecorderWatch) do
      def file_modified
        super
        stop_watching
      end
    end
    events = []
    reactor do
      watch_held_until_seen(stopping, events, [:unbind, nil]) do |write|
        write.call
        File.rename(@path, "#{@path}2")
      end
    end
    assert_equal [:modified, [:unbind, nil]], events
  end

  def test_a_watch_that_another_thread_stops_is_unbound_on_the_reactor_s_thread
    thread = nil
    errors = []
    handler = Class.new(EM::FileWatch) { define_method(:unbind) { (thread = Thread.current) && EM.stop } }
    reactor do
      watch = EM.watch_file(@path, handler)
      Thread.new do
        watch.stop_watching
        watch.stop_watching
      rescue EM::InvalidSignature => e
        errors << e.message
      end.join
    end
    assert_equal [Thread.current, ["attempted to remove invalid watch signature"]], [thread, errors]
  end
end
