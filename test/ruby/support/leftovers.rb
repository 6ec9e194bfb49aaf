# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# Checks after each test that the reactor has stopped, all descriptors are closed, all threads have ended, and the state
# that a reactor keeps between runs is unchanged.

module Leftovers
  ACCEPT_COUNT = EM.get_simultaneous_accept_count
  MAX_TIMERS = EM.get_max_timers
  THREADPOOL_SIZE = EM.threadpool_size

  # Descriptors that the first run opens permanently do not count for the first test.
  EM.run { EM.stop }

  def before_setup
    super
    @threads_before = Thread.list
    @descriptors_before = descriptors
  end

  def after_teardown
    close_peers
    restore_settings
    assert released?, "the test left the reactor running"
    assert_empty leaked_threads, "the test left threads behind"
    assert_empty leaked_descriptors, "the test left descriptors open"
  ensure
    super
  end

  private

  # Reports a reactor that did not stop only once, not in all tests that follow.
  def released?
    return true unless EM.reactor_running?

    EM.release_machine
    EM.instance_variable_set(:@reactor_running, false)
  end

  def restore_settings
    EM.error_handler
    EM.threadpool_size = THREADPOOL_SIZE
    EM.set_simultaneous_accept_count(ACCEPT_COUNT)
    return if EM.reactor_running?

    EM.set_max_timers(MAX_TIMERS)
    EM.cleanup_machine
  end

  def leaked_threads
    (Thread.list - @threads_before).reject { |thread| thread.join(1) }
  end

  # The descriptor of file watches is closed by a thread of the engine, which takes some milliseconds.
  def leaked_descriptors
    1000.times { leaked_now.empty? ? break : sleep(0.001) }
    leaked_now
  end

  def leaked_now
    after = descriptors.merge(@descriptors_before) { |_, mine, before| mine - before }
    after.select { |kind, count| count.positive? && descriptors.fetch(kind, 0) >= count }
  end

  # @return [Hash{String => Integer}] the number of open descriptors of each kind
  def descriptors
    return {} unless File.directory?("/proc/self/fd")

    kinds = Dir.children("/proc/self/fd").filter_map do |fd|
      File.readlink("/proc/self/fd/#{fd}").sub(/\[\d+\]/, "").sub(%r{/proc/\d+/}, "/proc/")
    rescue SystemCallError
      nil
    end
    kinds.tally
  end
end
