# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "minitest/autorun"
require "open3"
require "rbconfig"

# The pages for Ruby's users lead somewhere, and their programs are Ruby.
class RubyDocsTest < Minitest::Test
  FOLDER = File.expand_path("../../docs/ruby", __dir__)
  PAGES = Dir[File.join(FOLDER, "**/*.md")].sort

  def test_every_page_is_in_the_index
    index = File.read(File.join(FOLDER, "README.md"))
    pages = PAGES.map { |page| page.delete_prefix("#{FOLDER}/") } - ["README.md"]
    assert_empty pages.reject { |page| index.include?("(#{page})") }
  end

  PAGES.each do |page|
    name = page.delete_prefix("#{FOLDER}/")

    define_method("test_#{name}_has_no_dead_links") do
      links = File.read(page).scan(/\]\(([^)#\s]+)/).flatten.grep_v(/\A[a-z]+:/)
      assert_empty links.reject { |link| File.exist?(File.expand_path(link, File.dirname(page))) }
    end

    define_method("test_the_programs_of_#{name}_are_ruby_without_warnings") do
      File.read(page).scan(/^```ruby\n(.*?)^```$/m).flatten.each do |program|
        output, = Open3.capture2e(RbConfig.ruby, "-wc", stdin_data: program)
        assert_equal "Syntax OK", output.strip, program
      end
    end
  end
end
