# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# Ruby before 3.3 reads one word too many of each thread's VM stack when it compacts
# (https://github.com/ruby/ruby/pull/7081). If an object was there once, and Ruby has given its page of the heap back to
# the system, the process dies. So the tests run in a Ruby that gives no page back. It takes this from the environment
# when it starts: a test without it begins anew with it, by execve(2).

module KeptPages
  NEEDED = RUBY_VERSION < "3.3"
  COMMAND_LINE = "/proc/self/cmdline"
  SETTING = { "RUBY_GC_HEAP_FREE_SLOTS_MAX_RATIO" => "1.0" }.freeze
  NAME, VALUE = *SETTING.first

  # The setting is removed for the programs that the tests start: Ruby mentions it where warnings are on.
  def self.ensure_kept
    return if ENV.delete(NAME) == VALUE || !NEEDED || !File.readable?(COMMAND_LINE)

    # Binary, since arguments may have any encoding; the first is Ruby itself.
    exec(SETTING, RbConfig.ruby, *File.binread(COMMAND_LINE).split("\0", -1)[1...-1])
  end
end

require "rbconfig"
KeptPages.ensure_kept
