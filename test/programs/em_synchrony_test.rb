# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# em-synchrony and em-http-request, as Debian ships them, on our engine.

require "programs_helper"

class EmSynchronyTest < ProgramTest
  def test_fibers_wait_for_timers_deferrables_requests_iterators_and_pools
    server = start_program { |port, _| %W[python3 -m http.server --bind 127.0.0.1 #{port}] }
    assert_equal ["slept: true", "waited for: done", "failed with: broken", "http: 200", "multi: 3",
                  "iterator: #{(1..10).map { |i| i * i }.inspect}", "pool: 200"], lines_of("em_synchrony", server.port)
  end
end
