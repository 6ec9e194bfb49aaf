# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "minitest/autorun"

# The files, functions and statuses that the pages about the project name exist, and a reader finds every page.
class DocumentationTest < Minitest::Test
  ROOT = File.expand_path("../..", __dir__)
  # CHANGELOG.md is about the past, and pages for Ruby name files of their readers.
  PAGES = ["CONTRIBUTING.md", *Dir.glob("docs/*.md", base: ROOT)].sort.freeze

  # Stands where the reader chooses a name.
  PLACEHOLDER = /NAME|_x\z/.freeze
  TOP = %w[.ci bench docs examples ext include lib src test tools].freeze
  PATH = %r{`((?:#{TOP.map { |folder| Regexp.escape(folder) }.join('|')})/[\w./*-]+)`}.freeze
  BARE_FILE = /`([\w.-]+\.(?:c|h|rb|md|txt))`/.freeze
  C_NAME = /`(emi?_\w+|EMI?_[A-Z_]+)(?:\(\))?`/.freeze

  # Written by people, and not generated.
  SOURCES = Dir.glob("{bench,docs,examples,ext,include,lib,src,test,tools}/**/*", base: ROOT).freeze

  def self.read(file)
    File.read(File.join(ROOT, file), encoding: "UTF-8")
  end

  PAGES.each do |page|
    text = read(page)
    name = page.tr("^a-zA-Z", "_")

    define_method("test_paths_named_in_#{name}_exist") do
      assert_empty named(text, PATH).reject { |path| exists?(path) }
    end

    define_method("test_files_named_in_#{name}_exist") do
      files = SOURCES.map { |path| File.basename(path) } + Dir.children(ROOT)
      assert_empty named(text, BARE_FILE) - files
    end

    define_method("test_names_of_c_in_#{name}_exist") do
      assert_empty named(text, C_NAME) - words_of_c
    end
  end

  def test_a_path_that_is_gone_would_be_found
    assert_equal ["src/base/gone.c"], named("`src/base/gone.c` `src/base/list.h` `src/io/poller_NAME.c`", PATH)
      .reject { |path| exists?(path) }
  end

  def test_recipes_name_paths
    assert_operator named(self.class.read("docs/recipes.md"), PATH).size, :>, 40
  end

  # So a recipe sends nobody to a file that the function has left.
  def test_what_a_recipe_names_stands_in_one_of_its_files
    recipes = self.class.read("docs/recipes.md").split(/^## /).drop(1)
    astray = recipes.to_h { |recipe| [recipe[/.*/], strangers(recipe)] }
    assert_empty astray.reject { |_, names| names.empty? }
  end

  def test_a_name_that_has_left_its_file_would_be_found
    assert_equal ["emi_list_init"], strangers("Read `emi_list_init` and `em_status` in `src/base/status.c`.")
  end

  def test_the_table_of_contents_leads_to_every_page
    contents = self.class.read("docs/README.md").scan(/\]\(([^)#]+)/).flatten
    assert_empty PAGES.grep(%r{\Adocs/}).map { |page| File.basename(page) } - contents - ["README.md"]
  end

  def test_readme_leads_to_the_table_of_contents
    assert self.class.read("README.md").include?("](docs/README.md)"), "README.md has no link to docs/README.md"
  end

  private

  # Names in a recipe that are in none of the files that it names. A file may be named again without its folder.
  def strangers(recipe)
    paths = named(recipe, %r{`([\w./-]*[./][\w./-]+)`})
    files = SOURCES.select { |file| file.end_with?(*paths) && File.file?(File.join(ROOT, file)) }
    named(recipe, /`([A-Za-z]\w+)`/) - files.flat_map { |file| self.class.read(file).scan(/\w+/) }
  end

  def named(text, pattern)
    text.scan(pattern).flatten.grep_v(PLACEHOLDER).uniq
  end

  # What a build makes counts as there.
  def exists?(path)
    path == "lib/rubyeventmachine.so" || !Dir.glob(path, File::FNM_DOTMATCH, base: ROOT).empty?
  end

  def words_of_c
    sources = SOURCES.grep(/\.[ch]\z/)
    @words_of_c ||= sources.flat_map { |file| self.class.read(file).scan(/\bemi?_\w+/i) } + build_options
  end

  # Options of the build and of the environment, which no C file names.
  def build_options
    %w[CMakeLists.txt test/CMakeLists.txt ext/eventmachine/extconf.rb tools/build_extension test/ruby/test_helper.rb]
      .flat_map { |file| self.class.read(file).scan(/\bEM_\w+/) }
  end
end
