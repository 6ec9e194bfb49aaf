# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "programs_helper"

# Libraries whose descriptors EM.watch watches: rb-inotify and ZeroMQ. For libpq and mysql2 see large/.
class WatchedTest < ProgramTest
  def test_a_new_file_is_reported_by_rb_inotify
    assert_equal ["new"], lines_of("watched", "inotify")
  end

  def test_messages_of_zeromq_arrive
    assert_equal ["5050"], lines_of("watched", "zeromq")
  end
end
