# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# Which class is used for a handler: none, a class, a module; and what is refused before any socket is opened.

require "test_helper"

class HandlerTest < ReactorTest
  repeat_under_gc_pressure except: [/refused/, /no_handler/, /not_a_handler/, /splat/, /arguments/, /_error/]

  module Greeting
    def greeting = "hello"
  end

  module Using
    include Greeting
    def farewell = "goodbye"
  end

  class Counted < EM::Connection
    def initialize(one, two)
      super()
      @sum = one + two
    end
    attr_reader :sum
  end

  class Optional < EM::Connection
    def initialize(one, two = :default)
      super()
      @arguments = [one, two]
    end
    attr_reader :arguments
  end

  # @return the connection that connect creates for the handler, or the exception that it raises
  def connect_with(*handler, &block)
    result = nil
    reactor do
      result = EM.connect("127.0.0.1", closed_port, *handler, &block)
    rescue StandardError => e
      result = e
    ensure
      @count = EM.connection_count
      EM.stop
    end
    result
  end

  def assert_refused(error, message, *handler)
    result = connect_with(*handler)
    assert_instance_of error, result
    assert_match message, result.message
    assert_equal 0, @count
  end

  def test_no_handler_makes_a_plain_connection
    assert_instance_of EM::Connection, connect_with
    assert_instance_of EM::Connection, connect_with(nil)
    assert_instance_of EM::Connection, connect_with(false)
  end

  def test_a_class_is_instantiated_with_the_arguments
    connection = connect_with(Counted, 2, 3)
    assert_instance_of Counted, connection
    assert_equal 5, connection.sum
  end

  def test_a_class_that_is_not_a_connection_is_refused
    assert_refused ArgumentError, /\Amust provide module or subclass of EventMachine::Connection\z/, String
  end

  def test_a_module_is_mixed_into_a_subclass_that_is_made_once
    handler = Module.new { def greeting = "hello" }
    first = connect_with(handler)
    second = connect_with(handler)
    assert_kind_of EM::Connection, first
    assert_equal "hello", first.greeting
    assert_same first.class, second.class
    assert_same first.class, handler.const_get(:EM_CONNECTION_CLASS, false)
  end

  def test_the_class_of_a_module_is_named_after_it
    assert_equal "HandlerTest::Greeting::EM_CONNECTION_CLASS", connect_with(Greeting).class.name
  end

  def test_a_module_that_includes_another_one_that_was_used_has_its_own_class
    connect_with(Greeting)
    connection = connect_with(Using)
    assert_equal %w[hello goodbye], [connection.greeting, connection.farewell]
    refute_same connect_with(Greeting).class, connection.class
  end

  def test_a_module_serves_every_base_class
    other = Class.new(EM::Connection)
    handler = Module.new
    plain = EM.klass_from_handler(EM::Connection, handler)
    special = EM.klass_from_handler(other, handler)
    assert_operator special, :<, other
    refute_operator plain, :<, other
    assert_same plain, EM.klass_from_handler(EM::Connection, handler)
    assert_same plain, handler::EM_CONNECTION_CLASS
  end

  def test_a_frozen_module_is_refused_unless_it_was_used_before
    assert_refused FrozenError, /frozen/, Module.new.freeze
    used = Module.new { def greeting = "hello" }
    connect_with(used)
    assert_equal "hello", connect_with(used.freeze).greeting
  end

  ["Handler", 42, Object.new].each do |wrong|
    define_method("test_#{wrong.class.name.downcase}_is_not_a_handler") do
      result = reactor_result { EM.connect("127.0.0.1", closed_port, wrong) }
      assert_instance_of TypeError, result
    end
  end

  def test_the_type_error_names_the_type
    assert_refused TypeError, /\Awrong argument type String \(expected Module\)\z/, "Handler"
  end

  def test_arguments_are_counted_before_a_socket_is_made
    name = Counted.name
    { 0 => [], 1 => [1], 3 => [1, 2, 3] }.each do |given, arguments|
      message = "wrong number of arguments for #{name}#initialize (#{given} for 2)"
      assert_refused ArgumentError, /\A#{Regexp.escape(message)}\z/, Counted, *arguments
    end
  end

  def test_servers_count_arguments_when_they_start
    error = reactor_result { EM.start_server("127.0.0.1", 0, Counted, 1) }
    assert_instance_of ArgumentError, error
    assert_match(/\(1 for 2\)\z/, error.message)
    assert_equal 0, @count
  end

  def test_optional_arguments_may_be_missing_but_not_required_ones
    assert_equal [1, :default], connect_with(Optional, 1).arguments
    assert_equal [1, 2], connect_with(Optional, 1, 2).arguments
    assert_refused ArgumentError, /\(0 for 1\)\z/, Optional
  end

  def test_too_many_arguments_for_optional_ones_fail_and_leave_no_socket
    result = connect_with(Optional, 1, 2, 3)
    assert_instance_of ArgumentError, result
    assert_match(/given 3, expected 1\.\.2/, result.message)
  end

  def test_a_splat_takes_any_number
    handler = Class.new(EM::Connection) { def initialize(*all) = @all = all }
    [[], [1], [1, 2, 3]].each do |arguments|
      assert_equal arguments, connect_with(handler, *arguments).instance_variable_get(:@all)
    end
  end

  def test_a_handler_is_refused_before_the_port_is_looked_at
    busy = listener.local_address.ip_port
    assert_instance_of ArgumentError, reactor_result { EM.start_server("127.0.0.1", busy, String) }
  end

  def test_klass_from_handler_returns_the_class
    assert_same EM::Connection, EM.klass_from_handler(EM::Connection, nil)
    assert_same Counted, EM.klass_from_handler(EM::Connection, Counted, 1, 2)
    assert_includes EM.klass_from_handler(EM::Connection, Greeting).ancestors, Greeting
    assert_raises(ArgumentError) { EM.klass_from_handler(EM::Connection, Counted, 1) }
  end

  private

  # @return what the block returns or raises inside a reactor
  def reactor_result
    result = nil
    reactor do
      result = yield
    rescue StandardError => e
      result = e
    ensure
      @count = EM.connection_count
      EM.stop
    end
    result
  end
end
