# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "minitest/autorun"

# The table "C and Ruby words" of docs/c-guide.md has every function of the C API once, and only those. That the Ruby
# methods exist is tested by test/ruby/c_words_test.rb.
class CWordsTest < Minitest::Test
  ROOT = File.expand_path("../..", __dir__)
  GUIDE = File.read(File.join(ROOT, "docs/c-guide.md"), encoding: "UTF-8")
  TABLE = GUIDE[/^## C and Ruby words$(.*)/m, 1].scan(/^\| `(\w+)` \| (.*?) \| ?(.*?) ?\|$/)

  # By the rule: em_loop_x and EventMachine.x, em_connection_x and Connection#x.
  def same_word?(function, method)
    rule = { "em_loop" => "EventMachine.", "em_connection" => "Connection#", "em_server" => "EventMachine." }
    noun, verb = function.match(/\A(em_[a-z]+)_(.*)\z/).captures
    method == "`#{rule[noun]}#{verb.sub(/\Ais_(.*)/, '\1?')}`"
  end

  def declared
    Dir[File.join(ROOT, "include/eventmachine/*.h")].flat_map do |file|
      File.read(file, encoding: "UTF-8").scan(/^EM_API [^(;]*?\b(em_\w+)\(/).flatten
    end
  end

  def test_every_function_is_in_the_table_once
    refute_empty declared
    assert_equal declared.sort, TABLE.map(&:first).sort
  end

  def test_where_words_differ_the_table_says_why
    silent = TABLE.reject { |function, method, why| method == "–" || same_word?(function, method) || !why.empty? }
    assert_empty silent.map(&:first)
  end

  def test_names_of_the_c_api_in_the_guide_exist
    headers = Dir[File.join(ROOT, "include/**/*.h")].map { |file| File.read(file, encoding: "UTF-8") }.join
    names = GUIDE.scan(/`(em_\w{2,})`/i).flatten.uniq.grep_v(/\Aem_[a-z]+_x\z/)
    assert_includes names, "EM_UNDER_PRESSURE"
    assert_empty names.reject { |name| headers.match?(/\b#{name}\b/) }
  end
end
