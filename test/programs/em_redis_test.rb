# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# em-redis, as Debian ships it, on our engine against redis.

require "programs_helper"

class EmRedisTest < ProgramTest
  def test_commands_get_their_replies_in_order_also_behind_an_error
    redis = start_program { |port, _| %W[redis-server --bind 127.0.0.1 --port #{port} --save #{''}] }
    assert_equal ["set: OK", %q(get: "w\xC3\xB6rld\r\n$5"), "missing: nil", "counter: 1000", "list: item 0, item 1, item 2",
                  "error: ERR value is not an integer or out of range", "after the error: 1000"],
                 lines_of("em_redis", redis.port).grep_v(%r{/em-redis/.* warning: })
  end
end
