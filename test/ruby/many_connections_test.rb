# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# Many connections: a thousand at once, descriptors beyond 1024, and memory that does not grow with the number of
# connections that have ended.

require "test_helper"
require "etc"

class ManyConnectionsTest < ReactorTest
  self.time_limit = 60

  def test_a_thousand_connections_at_once_are_all_served
    replies = in_child(limit: 50) do
      EM.set_descriptor_table_size(8000)
      received = Hash.new(0)
      reactor do
        port = port_of(EM.start_server("127.0.0.1", 0, Echo))
        count = ->(it, data) { EM.stop if (received[it.received] += 1) && received.size == 1000 && data }
        1000.times { |i| client(port, receive_data: count).send_data(format("%04d", i)) }
        EM.add_timer(20) { EM.stop }
      end
      received.keys.sort
    end
    assert_equal Array.new(1000) { |i| format("%04d", i) }, replies
  end

  def test_descriptors_beyond_1024_work
    received = in_child(limit: 30) do
      needed = 1500
      next :too_few if EM.set_descriptor_table_size(needed) < needed

      files = Array.new(1100) { File.open(File::NULL) }
      connection = nil
      reactor do
        port = port_of(EM.start_server("127.0.0.1", 0, Echo))
        connection = client(port, receive_data: ->(*) { EM.stop })
        connection.send_data("high")
        raise "too low" unless EM.get_file_descriptor(connection.signature) > 1024
      end
      files.each(&:close)
      connection.received
    end
    skip "the limit of descriptors is too low here" if received == :too_few
    assert_equal "high", received
  end

  def test_memory_does_not_grow_with_connections_that_have_come_and_gone
    skip "needs /proc" unless File.exist?("/proc/self/statm")
    growth = in_child(limit: 50) do
      before = nil
      reactor do
        port = port_of(EM.start_server("127.0.0.1", 0, Echo))
        come_and_go(port, 1500) do
          GC.start
          before = memory
          come_and_go(port, 3000) { EM.stop }
        end
      end
      GC.start
      memory - before
    end
    # 6000 connections that each left 500 bytes would show.
    assert_operator growth, :<, 3_000_000
  end

  def test_memory_does_not_grow_with_runs
    skip "needs /proc" unless File.exist?("/proc/self/statm")
    growth = in_child(limit: 50) do
      run = ->(times) { times.times { EM.run { client(server) && EM.next_tick { EM.stop } } } }
      run.call(200)
      GC.start
      before = memory
      run.call(600)
      GC.start
      memory - before
    end
    assert_operator growth, :<, 3_000_000
  end

  def test_connection_objects_are_collected_after_they_have_ended
    alive = in_child(limit: 50) do
      GC.start
      before = ObjectSpace.each_object(EM::Connection).count
      reactor do
        port = port_of(EM.start_server("127.0.0.1", 0, Echo))
        come_and_go(port, 500) { EM.stop }
      end
      GC.start
      ObjectSpace.each_object(EM::Connection).count - before
    end
    assert_operator alive, :<, 50
  end

  private

  # Runs the given number of clients, one after the other, which exchange a message each, and calls the block
  # afterwards.
  def come_and_go(port, times, &done)
    return done.call if times.zero?

    next_one = ->(*) { EM.next_tick { come_and_go(port, times - 1, &done) } unless EM.stopping? }
    client(port, receive_data: ->(it, _) { it.close_connection }, unbind: next_one).send_data("x" * 100)
  end

  # @return [Integer] the bytes of memory that this process really uses
  def memory
    File.read("/proc/self/statm").split[1].to_i * Etc.sysconf(Etc::SC_PAGESIZE)
  end
end
