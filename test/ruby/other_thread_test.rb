# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# Connections that other threads open, and servers that they start: what happens on the network while the object is
# being created is reported when it is complete, and the reactor keeps running meanwhile.

require "test_helper"

class OtherThreadTest < ReactorTest
  repeat_under_gc_pressure

  class Failure < StandardError; end

  # Logs what is called, and waits in `initialize` and `post_init` for what the test names.
  class Recorder < EM::Connection
    attr_reader :log

    def initialize(log, during = {})
      @log = log
      enter(:initialize, during)
      @during = during
    end

    def post_init = enter(:post_init, @during)
    def connection_completed = note(:connection_completed)
    def receive_data(data) = note([:receive_data, data])
    def unbind(reason = nil) = note([:unbind, reason])

    def enter(place, during)
      note(place)
      instance_exec(&during[place]) if during[place]
      @log << :"#{place} ends"
    end

    def note(event) = @log << event
  end

  BORN = [:initialize, :"initialize ends", :post_init, :"post_init ends"].freeze

  # Makes the calling thread wait until the reactor's counters fulfil a condition, and ten turns more.
  def self.until_reactor(&condition)
    lambda do |*|
      Thread.pass until condition.call(EM.stats)
      turns = EM.stats[:turns]
      ticks = 0
      tick = -> { (ticks += 1) < 10 && EM.next_tick(tick) }
      EM.next_tick(tick)
      Thread.pass until ticks == 10 && EM.stats[:turns] > turns
    end
  end

  COMPLETED = until_reactor { |stats| stats[:connections_accepted] == 1 }
  CLOSED = until_reactor { |stats| stats[:connections_closed] == 2 }
  REFUSED = until_reactor { |stats| stats[:connections_closed] == 1 }

  # Runs the block in another thread, and the reactor until the object is unbound.
  # @return [Array] the log
  def record(port, during, log = [], &block)
    reactor do
      port = port.call
      Thread.new { EM.connect("127.0.0.1", port, Recorder, log, during, &block) }
      as_soon_as(-> { log.last.is_a?(Array) && log.last.first == :unbind }) { EM.stop }
    end
    log
  end

  %i[initialize post_init].each do |place|
    define_method("test_nothing_is_called_before_#{place}_has_returned") do
      close = ->(it, _) { it.close_connection }
      greet = ->(it) { it.send_data("hello") && it.close_connection_after_writing }
      log = record(-> { server(post_init: greet, receive_data: close) }, { place => COMPLETED })
      assert_equal [*BORN, :connection_completed, [:receive_data, "hello"], [:unbind, nil]], log
    end

    define_method("test_an_end_during_#{place}_is_reported_afterwards") do
      log = record(-> { server(post_init: ->(it) { it.close_connection }) }, { place => lambda { |*|
        COMPLETED.call
        EM.next_tick { close_connection }
        CLOSED.call
        send_data("late")
        pause && resume
        self.comm_inactivity_timeout = 3
        get_outbound_data_size
        error?
        get_idle_time
        close_connection_after_writing
      } })
      assert_equal [*BORN, :connection_completed, [:unbind, nil]], log
    end

    define_method("test_a_refusal_during_#{place}_is_reported_afterwards") do
      log = record(-> { closed_port }, { place => REFUSED })
      assert_equal [*BORN, [:unbind, Errno::ECONNREFUSED]], log
    end

    [COMPLETED, CLOSED].zip(%w[established ended]).each do |wait, state|
      define_method("test_an_error_in_#{place}_while_it_is_#{state}_leaves_nothing_behind") do
        log = []
        error = nil
        reactor do
          port = server(post_init: ->(it) { it.close_connection if wait == CLOSED })
          fail_there = lambda { |*|
            EM.next_tick { close_connection } if wait == CLOSED
            wait.call
            raise Failure, "born dead"
          }
          Thread.new do
            EM.connect("127.0.0.1", port, Recorder, log, { place => fail_there })
          rescue Failure => error
            EM.next_tick { as_soon_as(-> { EM.connection_count == 1 }) { EM.stop } } # the server's
          end
        end
        assert_equal "born dead", error.message
        assert_equal BORN.take(place == :initialize ? 1 : 3), log
      end
    end
  end

  def test_nothing_is_called_before_the_block_has_returned
    log = []
    record(-> { server(post_init: ->(it) { it.close_connection_after_writing }) }, {}, log) do
      COMPLETED.call
      log << :block
    end
    assert_equal [*BORN, :block, :connection_completed, [:unbind, nil]], log
  end

  def test_a_pause_in_initialize_holds_until_resume
    log = []
    reactor do
      port = server(post_init: ->(it) { it.send_data("hello") })
      ask = lambda { |*|
        COMPLETED.call
        log << paused? << resume << pause << paused? << pause
      }
      Thread.new do
        connection = EM.connect("127.0.0.1", port, Recorder, log, { initialize: ask })
        COMPLETED.call
        log << :resume
        EM.next_tick { connection.resume }
      end
      as_soon_as(-> { log.last == [:receive_data, "hello"] }) { EM.stop }
    end
    assert_equal [false, false, true, true, false], log[1, 5]
    assert_equal [:connection_completed, :resume, [:receive_data, "hello"], [:unbind, nil]], log.last(4)
  end

  def test_reconnecting_in_another_thread
    log = []
    reactor do
      port = server(post_init: ->(it) { it.send_data("hello") })
      connection = EM.connect("127.0.0.1", port, Recorder, log)
      gone = -> { log.include?([:unbind, nil]) }
      as_soon_as(-> { log.include?([:receive_data, "hello"]) }) { connection.close_connection }
      as_soon_as(gone) do
        log.clear
        Thread.new do
          connection.reconnect("127.0.0.1", port)
          EM.reconnect("127.0.0.1", port, connection) { log << :never }
        end
      end
      as_soon_as(-> { log == [:connection_completed, [:receive_data, "hello"]] }) { EM.stop }
    end
    assert_equal [:connection_completed, [:receive_data, "hello"], [:unbind, nil]], log
  end

  def test_reconnecting_waits_for_the_block
    log = []
    reactor do
      port = server(post_init: ->(it) { it.send_data("hello") })
      connection = EM.connect("127.0.0.1", closed_port, Recorder, log)
      as_soon_as(-> { log.last == [:unbind, Errno::ECONNREFUSED] }) do
        log.clear
        Thread.new do
          EM.reconnect("127.0.0.1", port, connection) do
            COMPLETED.call
            log << :block
          end
        end
      end
      as_soon_as(-> { log.last == [:receive_data, "hello"] }) { EM.stop }
    end
    assert_equal [:block, :connection_completed, [:receive_data, "hello"], [:unbind, nil]], log
  end

  def test_if_the_reactor_ends_first_the_thread_that_makes_the_object_calls_unbind
    log = []
    thread = nil
    reactor do
      port = server
      thread = Thread.new do
        wait = lambda { |*|
          COMPLETED.call
          EM.stop
          Thread.pass while EM.reactor_running?
        }
        EM.connect("127.0.0.1", port, Recorder, log, { initialize: wait })
      end
    end
    thread.join
    assert_equal [*BORN, [:unbind, nil]], log
  end

  def test_if_the_reactor_ends_before_the_report_unbind_is_called
    log = []
    reactor do
      port = server
      Thread.new do
        EM.connect("127.0.0.1", port, Recorder, log, { post_init: COMPLETED })
        EM.stop
      end
      as_soon_as(-> { log.include?(:"post_init ends") }) { EM.stop }
    end
    assert_equal [*BORN, [:unbind, nil]], log - [:connection_completed]
  end

  def test_a_client_that_connects_before_the_server_has_its_class_waits_for_it
    conversation = nil
    accepted = []
    reactor do
      Thread.new do
        signature = EM.start_tcp_server("127.0.0.1", 0)
        conversation = talk(port_of(signature)) do |socket|
          socket.write("early")
          socket.read(5)
        end
        COMPLETED.call
        echo = { receive_data: ->(it, data) { it.send_data(data) }, post_init: ->(it) { accepted << it } }
        EM.instance_variable_get(:@acceptors)[signature] = [Scripted, [echo], nil]
      end
    end
    assert_equal "early", conversation.value
    assert_equal 1, accepted.size
  end
end
