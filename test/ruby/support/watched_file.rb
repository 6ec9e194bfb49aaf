# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

# For tests of file watches: each has a file of its own, and a handler that records what is reported.
module WatchedFile
  # Records its callbacks, and stops the reactor once that is `stop_at`.
  module Recorder
    attr_reader :events

    def initialize(events = [], stop_at = nil)
      @events = events
      @stop_at = stop_at
    end

    def file_modified = note(:modified)
    def file_moved = note(:moved)
    def file_deleted = note(:deleted)

    def unbind(reason = :none)
      note([:unbind, reason])
    end

    private

    def note(event)
      @events << event
      EM.stop if event == @stop_at
    end
  end

  def setup
    super
    @watched_directory = Dir.mktmpdir
    @path = File.join(@watched_directory, "file")
    File.write(@path, "")
  end

  def teardown
    super
    FileUtils.rm_rf(@watched_directory)
  end

  def append(text = "x")
    File.open(@path, "a") { |file| file.write(text) }
  end
end
