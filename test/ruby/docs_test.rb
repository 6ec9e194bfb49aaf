# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# The documentation is consistent: links lead somewhere, programs are valid Ruby, and a program that is followed by its
# output prints it.

require "test_helper"

class DocsTest < ReactorTest
  ROOT = File.expand_path("../..", __dir__)
  PAGES = Dir.glob(["*.md", "docs/**/*.md"], base: ROOT).sort.to_h do |name|
    [name, File.read(File.join(ROOT, name), encoding: Encoding::UTF_8)]
  end.freeze

  PAGES.each do |name, text|
    define_method("test_links_of_#{name}") { assert_empty links(text).reject { |link| found?(name, link) } }

    define_method("test_programs_of_#{name}") do
      programs = text.scan(/^```ruby\n(.*?)^```/m).flatten
      programs.each { |program| assert RubyVM::InstructionSequence.compile(program, name) }
      assert_equal text.scan("```ruby").size, programs.size
    end
  end

  PAGES.each do |name, text|
    text.scan(/^```ruby\n(.*?)^```\n\n```text\n(.*?)^```/m).each.with_index(1) do |(source, output), number|
      define_method("test_program_#{number}_of_#{name}_prints_what_the_page_shows") do
        result = program(source)
        assert_equal [output, ""], [result.output, result.errors]
        assert_predicate result.status, :success?
      end
    end
  end

  def test_every_page_for_ruby_is_in_the_list_of_pages
    listed = links(PAGES.fetch("docs/ruby/README.md")).map { |link| "docs/ruby/#{link}" }
    assert_empty PAGES.keys.grep(%r{\Adocs/ruby/}) - listed - ["docs/ruby/README.md"]
  end

  def test_named_examples_exist
    named = PAGES.values.join.scan(%r{\bexamples/(?:ruby|c)/\w+\.\w+}).uniq
    assert_empty(named.reject { |path| File.exist?(File.join(ROOT, path)) })
  end

  private

  # @return [Array<String>] the links within this repository
  def links(text)
    text.gsub(/^```.*?^```/m, "").scan(/\]\(([^)\s]+)\)/).flatten.grep_v(/\A[a-z]+:/)
  end

  def found?(page, link)
    path, anchor = link.split("#", 2)
    target = path.empty? ? page : File.join(File.dirname(page), path).then { |it| File.expand_path(it, "/").delete_prefix("/") }
    return false unless File.exist?(File.join(ROOT, target))

    anchor.nil? || !target.end_with?(".md") || anchors(PAGES.fetch(target)).include?(anchor)
  end

  # The anchors that GitHub makes of headings, and those that pages set themselves.
  def anchors(text)
    headings = text.scan(/^#+ (.*)/).flatten.map { |heading| heading.downcase.gsub(/[^\p{Word}\- ]/, "").tr(" ", "-") }
    headings + text.scan(/(?:id|name)="([^"]+)"/).flatten
  end
end
