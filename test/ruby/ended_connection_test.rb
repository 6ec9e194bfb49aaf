# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# Calls on a connection that has ended: programs make them all the time, for example in timers. Each has a defined
# result, and none does harm, even after the end of the reactor.

require "test_helper"

class EndedConnectionTest < ReactorTest
  repeat_under_gc_pressure except: [/is_harmless/, /_raises/, /not_used_again/]

  # Calls the block, with a connection after its unbind.
  def with_ended_connection
    reactor do
      connection = client(server)
      connection.close_connection
      as_soon_as(-> { connection.events.include?(:unbind) }) do
        EM.next_tick do
          yield connection
          EM.stop
        end
      end
    end
  end

  RESULTS = {
    send_data: [-1, ->(it) { it.send_data("data") }],
    close_connection: [nil, ->(it) { it.close_connection }],
    close_connection_after_writing: [nil, ->(it) { it.close_connection_after_writing }],
    error?: [true, ->(it) { it.error? }],
    get_peername: [nil, ->(it) { it.get_peername }],
    get_sockname: [nil, ->(it) { it.get_sockname }],
    get_idle_time: [nil, ->(it) { it.get_idle_time }],
    get_outbound_data_size: [0, ->(it) { it.get_outbound_data_size }],
    comm_inactivity_timeout: [0.0, ->(it) { it.comm_inactivity_timeout }],
    pending_connect_timeout: [0.0, ->(it) { it.pending_connect_timeout }],
    set_comm_inactivity_timeout: [false, ->(it) { it.set_comm_inactivity_timeout(1) }],
    set_pending_connect_timeout: [false, ->(it) { it.set_pending_connect_timeout(1) }],
    pause: [false, ->(it) { it.pause }],
    resume: [false, ->(it) { it.resume }],
    paused?: [false, ->(it) { it.paused? }],
    watch_only?: [false, ->(it) { it.watch_only? }],
    associate_callback_target: [nil, ->(it) { it.associate_callback_target(it.signature) }],
    report_connection_error_status: [-1, ->(it) { EM.report_connection_error_status(it.signature) }]
  }.freeze

  RESULTS.each do |name, (expected, call)|
    define_method("test_#{name.to_s.delete('?')}_is_harmless") do
      with_ended_connection { |it| assert_equal [expected], [call.call(it)] }
    end
  end

  KEEPALIVE = [Socket::SOL_SOCKET, Socket::SO_KEEPALIVE].freeze
  ERRORS = {
    get_sock_opt: ["invalid binding to get_fd", ->(it) { it.get_sock_opt(*KEEPALIVE) }],
    set_sock_opt: ["invalid binding to get_fd", ->(it) { it.set_sock_opt(*KEEPALIVE, 1) }],
    get_file_descriptor: ["invalid binding to get_fd", ->(it) { EM.get_file_descriptor(it.signature) }],
    enable_keepalive: ["invalid binding to enable keepalive", ->(it) { it.enable_keepalive }],
    disable_keepalive: ["invalid binding to enable keepalive", ->(it) { it.disable_keepalive }]
  }.freeze

  ERRORS.each do |name, (message, call)|
    define_method("test_#{name}_raises") do
      with_ended_connection do |it|
        error = assert_raises(RuntimeError) { call.call(it) }
        assert_equal message, error.message
      end
    end
  end

  def test_assigning_timeouts_is_harmless
    with_ended_connection do |it|
      it.comm_inactivity_timeout = 1
      it.pending_connect_timeout = 1
      assert_equal [0.0, 0.0], [it.comm_inactivity_timeout, it.pending_connect_timeout]
    end
  end

  def test_the_signature_is_not_used_again
    with_ended_connection do |it|
      port = server
      refute_includes Array.new(20) { client(port).signature }, it.signature
    end
  end

  def test_a_connection_that_has_ended_does_not_act_on_a_later_one
    received = []
    with_ended_connection do |it|
      accepted = Class.new(EM::Connection) { define_method(:receive_data) { |data| received << data } }
      client(port_of(EM.start_server("127.0.0.1", 0, accepted)))
      assert_equal(-1, it.send_data("for whom?"))
    end
    assert_empty received
  end

  def test_signatures_must_be_integers
    reactor do
      [nil, "1", :one, Object.new].each do |wrong|
        assert_raises(TypeError) { EM.close_connection(wrong, false) }
        assert_raises(TypeError) { EM.get_peername(wrong) }
        assert_raises(TypeError) { EM.pause_connection(wrong) }
      end
      EM.stop
    end
  end

  def test_signatures_that_were_never_given_are_like_those_of_ended_connections
    reactor do
      [0, -1, 123_456_789, 2**62].each do |unknown|
        assert_equal(-1, EM.send_data(unknown, "data", 4))
        assert_nil EM.close_connection(unknown, true)
        assert_nil EM.get_peername(unknown)
        assert_equal false, EM.pause_connection(unknown)
      end
      EM.stop
    end
  end

  def test_after_the_end_of_the_reactor_calls_raise_and_do_no_harm
    connection = nil
    reactor do
      connection = client(server)
      EM.stop
    end
    [-> { connection.send_data("data") }, -> { connection.close_connection }, -> { connection.get_peername },
     -> { connection.error? }, -> { connection.pause }, -> { connection.get_outbound_data_size }].each do |call|
      result = call.call
      assert_includes [nil, false, true, -1, 0], result
    rescue RuntimeError => e
      assert_match(/\Aeventmachine not initialized/, e.message)
    end
  end
end
