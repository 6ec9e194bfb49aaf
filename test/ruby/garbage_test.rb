# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# The garbage collector: programs need not keep references to what the reactor was given, and the collector may move it.
# These tests collect and compact by themselves; EM_TEST_GC does so in the tests of the other files.

require "test_helper"

class GarbageTest < ReactorTest
  repeat_under_gc_pressure except: [/queued_strings/], full: true

  def collect
    GC.start
    GC.compact
  end

  # Calls the block in a separate frame, so that no reference on the stack keeps its objects alive.
  def forgetting
    Thread.new { yield && nil }.join
    nil
  end

  def test_connections_survive_between_turns
    log = []
    reactor do
      port = port_of(EM.start_server("127.0.0.1", 0, Echo))
      forgetting do
        5.times do |i|
          finish = ->(it, _) { (log << it.received) && log.size == 5 && EM.stop }
          client(port, connection_completed: ->(it) { it.send_data(i.to_s) }, receive_data: finish)
        end
      end
      EM.add_periodic_timer(0.002) { collect }
    end
    assert_equal %w[0 1 2 3 4], log.sort
  end

  def test_handlers_their_arguments_and_blocks_survive
    log = []
    reactor do
      port = nil
      forgetting do
        handler = Module.new do
          define_method(:initialize) { |argument| @argument = argument }
          define_method(:post_init) { send_data(@argument) }
        end
        port = port_of(EM.start_server("127.0.0.1", 0, handler, +"argument") { |it| it.send_data(" block") })
      end
      collect
      client(port, receive_data: ->(it, _) { it.received.size == 14 && (log << it.received) && EM.stop })
    end
    assert_equal ["argument block"], log
  end

  def test_timers_ticks_and_hooks_survive
    log = []
    reactor do
      forgetting do
        EM.add_shutdown_hook { log << :hook }
        EM.add_timer(0.02) { (log << :timer) && EM.stop }
        EM.next_tick { log << :tick }
        EM.defer(-> { :operation }, ->(result) { log << result })
      end
      EM.next_tick { collect }
    end
    assert_equal %i[hook operation tick timer], log.sort
    assert_equal :hook, log.last
  end

  def test_the_error_handler_survives
    log = []
    forgetting { EM.error_handler { |error| (log << error.message) && EM.stop } }
    collect
    reactor { EM.next_tick { raise "handled" } }
    assert_equal ["handled"], log
  end

  def test_queued_strings_survive_until_they_are_sent
    conversation = nil
    reactor do
      port = server(post_init: lambda { |it|
        forgetting { 50.times { |i| it.send_data((i % 10).to_s * 30_000) && it.send_data(("x" * 50_000).freeze) } }
        collect
        Array.new(200) { "scrap" * 10_000 }.clear
      })
      conversation = talk(port) { |socket| Array.new(50) { socket.read(80_000) } }
    end
    expected = Array.new(50) { |i| ((i % 10).to_s * 30_000) + ("x" * 50_000) }
    assert_equal expected.map(&:hash), conversation.value.map(&:hash)
  end

  def test_the_object_stays_the_same_wherever_it_is_moved
    seen = []
    reactor do
      port = port_of(EM.start_server("127.0.0.1", 0, Echo))
      look = lambda do |it, _|
        seen << it
        collect
        seen.size == 4 ? EM.stop : it.send_data("x")
      end
      client(port, receive_data: look).send_data("x")
    end
    assert_equal 1, seen.uniq(&:object_id).size
    assert_equal "xxxx", seen.first.received
  end

  # See support/kept_pages.rb. In a forked child, which has the same setting, because a failure ends the process.
  def test_compaction_survives_what_returned_frames_have_left_on_stacks
    survived = in_child do
      objects = Array.new(40_000) { Object.new }
      threads = Array.new(10) { |i| Thread.new { leave_on_stack(objects[i * 4000]) || Thread.stop } }
      wait_until { threads.all?(&:stop?) }
      objects.clear
      20.times { GC.start }
      GC.compact
      true
    end
    assert survived
  end

  # Leaves its argument on the VM stack above the caller's frame, many times.
  def leave_on_stack(a, _b = a, _c = a, _d = a, _e = a, _f = a, _g = a, _h = a, _i = a, _j = a, _k = a, _l = a, _m = a); end

  def test_an_error_that_is_being_raised_survives
    error = assert_raises(RuntimeError) do
      reactor do
        client(server, unbind: ->(*) { collect })
        EM.add_shutdown_hook { collect }
        EM.add_timer(0.01) { raise "on its way #{now}" }
      end
    end
    assert_match(/\Aon its way/, error.message)
  end
end
