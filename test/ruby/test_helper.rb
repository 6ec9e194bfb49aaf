# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# The base of every test of the Ruby interface: a test case that is bounded in time, leaves nothing behind, and has
# helpers for servers, clients and peers without a reactor. The environment variable EM_TEST_GC=stress or
# EM_TEST_GC=compact repeats the classes that ask for it under pressure by the garbage collector.

require_relative "support/kept_pages"
require "minitest/autorun"
require "rbconfig"
require "socket"
require "tempfile"
require "tmpdir"
require "eventmachine"
require_relative "support/children"
require_relative "support/gc_pressure"
require_relative "support/leftovers"
require_relative "support/peers"
require_relative "support/scripted"
require_relative "support/time_limit"

# Shells start background programs with SIGINT ignored, and programs that these tests start would inherit that.
trap(:INT, "DEFAULT")

# A test of the reactor.
class ReactorTest < Minitest::Test
  include Children
  include Leftovers
  include Peers
  include TimeLimit

  class << self
    # Seconds that one test of this class, and of those that are derived from it, may take.
    attr_writer :time_limit

    def inherited(test_class)
      test_class.time_limit = @time_limit
      super
    end

    def time_limit
      (@time_limit || 15) * (GCPressure.mode ? 6 : 1)
    end

    # Lets the tests of this class run again with EM_TEST_GC set.
    # @param except [Array<Symbol, Regexp>] tests that are too slow for it, measure time, or add nothing
    # @param full [Boolean] see GCPressure.start
    # @param modes [Array<String>] of EM_TEST_GC
    def repeat_under_gc_pressure(except: [], full: false, modes: %w[stress compact])
      @not_repeated = except if modes.include?(GCPressure.mode)
      @full_collections = full
    end

    attr_reader :full_collections

    def runnable_methods
      return super unless GCPressure.mode
      return [] unless @not_repeated

      super.reject { |name| @not_repeated.any? { |pattern| pattern === name.to_sym } }
    end
  end

  # Runs the reactor with the block, and afterwards raises what went wrong in a conversation (see #talk).
  def reactor
    result = EM.run do
      GCPressure.start(full: self.class.full_collections)
      yield
    end
    finish_conversations
    result
  ensure
    GCPressure.stop
  end

  # Runs the block within the reactor, for a turn.
  def in_reactor
    reactor do
      yield
      EM.stop
    end
  end

  # Listens on a port that the kernel chose.
  # @return [Integer] the port
  def server(**script)
    port_of(EM.start_server("127.0.0.1", 0, Scripted, script))
  end

  def client(port, **script)
    EM.connect("127.0.0.1", port, Scripted, script)
  end

  def port_of(signature)
    Socket.unpack_sockaddr_in(EM.get_sockname(signature)).first
  end

  # Checks the condition in each turn of the reactor and calls the block once it holds.
  def as_soon_as(condition, &block)
    timer = EM::PeriodicTimer.new(0.001) do
      next unless condition.call

      timer.cancel
      block.call
    end
  end

  # For upper bounds on time: how long something takes at best. A busy machine makes any attempt slow, but a fault makes
  # all slow, so they are repeated until one keeps the bound.
  # @yieldreturn [Float] seconds; what must hold every time the block asserts itself
  def at_best(bound, attempts: 25)
    taken = []
    attempts.times { (taken << yield) && taken.last < bound and break }
    assert_operator taken.min, :<, bound
  end

  # Waits, in another thread, until the reactor has nothing to do and sleeps. Under pressure by the garbage collector it
  # never does.
  def wait_until_asleep
    wait_until { GCPressure.mode ? EM.reactor_running? : EM.reactor_thread&.stop? }
  end

  # @return [Float] how long the block took, in seconds
  def seconds
    start = now
    yield
    now - start
  end

  def now
    Process.clock_gettime(Process::CLOCK_MONOTONIC)
  end

  # @return [Float] the processor time that this process used meanwhile, in seconds
  def processor_time
    Process.clock_gettime(Process::CLOCK_PROCESS_CPUTIME_ID)
  end

  def assert_not_running
    refute EM.reactor_running?, "the reactor is still running"
    assert_nil EM.reactor_thread
  end
end
