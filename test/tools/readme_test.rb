# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "minitest/autorun"

# The programs, links and names in README.md exist.
class ReadmeTest < Minitest::Test
  ROOT = File.expand_path("../..", __dir__)

  # Drawn by `make bench`.
  MADE_LATER = ["docs/benchmarks.svg"].freeze

  def read(file)
    File.read(File.join(ROOT, file), encoding: "UTF-8")
  end

  def readme
    @readme ||= read("README.md")
  end

  def first_block(language)
    readme[/^```#{language}\n(.*?)^```$/m, 1]
  end

  def test_the_ruby_server_is_the_example_word_for_word
    assert_equal read("examples/ruby/echo_server.rb"), first_block("ruby")
  end

  def test_the_c_server_is_the_example_without_its_comment
    code = read("examples/c/echo.c").sub(%r{\A(?:/\*.*?\*/\n)+}m, "")
    assert_equal code, first_block("c")
  end

  def test_every_link_leads_to_a_file
    links = readme.scan(/\]\(([^)#]+)/).flatten.grep_v(/\Ahttps?:/) - MADE_LATER
    refute_empty links
    assert_empty links.reject { |file| File.exist?(File.join(ROOT, file)) }
  end

  def test_the_makefile_has_every_command_that_is_named
    named = readme.scan(/(?:^|`)make (\w+)/).flatten.uniq
    assert_includes named, "run"
    assert_empty named - read("Makefile").scan(/^(\w+):/).flatten
  end

  def test_names_of_the_c_api_exist
    headers = Dir.glob("include/**/*.h", base: ROOT).map { |file| read(file) }.join
    assert_empty readme.scan(/`(em_\w+)`/i).flatten.uniq.reject { |name| headers.match?(/\b#{name}\b/) }
  end
end
