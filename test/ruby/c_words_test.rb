# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# The Ruby methods that docs/c-guide.md names beside the functions of the C API exist. That the table has every function
# is tested by test/tools/c_words_test.rb.

require "test_helper"

class CWordsInRubyTest < ReactorTest
  GUIDE = File.read(File.expand_path("../../docs/c-guide.md", __dir__), encoding: Encoding::UTF_8)
  NAMED = GUIDE.scan(/`(EventMachine\.|Connection#)(\w{2,}[=?]?)`/).uniq

  def test_methods_of_the_guide_exist
    refute_empty NAMED
    missing = NAMED.reject do |owner, name|
      owner == "Connection#" ? EventMachine::Connection.method_defined?(name) : EventMachine.respond_to?(name)
    end
    assert_empty missing
  end
end
