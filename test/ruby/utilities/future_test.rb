# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "test_helper"

class FutureTest < Minitest::Test
  def setup
    @deferrable = EM::DefaultDeferrable.new
    @log = []
    @noted = ->(value) { @log << value }
    @failed = ->(value) { @log << [:failed, value] }
  end

  def test_a_plain_value_is_returned_and_no_block_called
    assert_equal 1, EM::Deferrable.future(1, @noted, @failed) { flunk }
    assert_nil EM::Deferrable.future(nil) { flunk }
  end

  def test_a_callable_is_called_for_the_value
    assert_equal 1, EM::Deferrable.future(-> { 1 }) { flunk }
    assert_same @deferrable, EM::Deferrable.future(-> { @deferrable }, &@noted)
    @deferrable.succeed(2)
    assert_equal [2], @log
  end

  def test_a_deferrable_gets_the_callback
    assert_same @deferrable, EM::Deferrable.future(@deferrable, @noted)
    @deferrable.succeed(1)
    assert_equal [1], @log
  end

  def test_a_deferrable_gets_the_errback
    assert_same @deferrable, EM::Deferrable.future(@deferrable, nil, @failed)
    @deferrable.fail(1)
    assert_equal [[:failed, 1]], @log
  end

  def test_a_deferrable_gets_the_block_as_its_only_callback
    EM::Deferrable.future(@deferrable, &@noted)
    EM::Deferrable.future(@deferrable)
    @deferrable.succeed(1)
    assert_equal [1], @log
  end

  def test_the_block_is_ignored_beside_a_callback_or_an_errback
    EM::Deferrable.future(@deferrable, @noted) { flunk }
    EM::Deferrable.future(@deferrable, nil, @failed) { flunk }
    @deferrable.succeed(1)
    assert_equal [1], @log
  end
end
