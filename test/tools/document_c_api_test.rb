# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "fileutils"
require "minitest/autorun"
require "open3"
require "rbconfig"
require "tmpdir"

# Writes small headers and reads what tools/document_c_api makes of them.
class DocumentCApiTest < Minitest::Test
  TOOL = File.expand_path("../../tools/document_c_api", __dir__)

  HEADER = <<~TEXT
    /* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
    /*
     * Bells.
     * They ring by em_bell_ring.
     */
    #ifndef EVENTMACHINE_BELL_H
    #define EVENTMACHINE_BELL_H

    EM_BEGIN_DECLARATIONS

    /** How loud. */
    #define EM_SOFT 1
    #define EM_LOUD 2

    /** A bell. */
    typedef struct em_bell {
        size_t size; /**< in kg */

        void (*rung)(struct em_bell *bell);
    } em_bell;

    /* Ringing; any thread. */

    /**
     * Rings it *once*, see `em_x * 2` and em_unknown.
     * times: 1 < n. EM_NO_BELL if there is none.
     */
    EM_API em_status em_bell_ring(em_bell *bell, int loudness,
                                  int times);

    /** Loudness. */
    EM_API int em_bell_get(const em_bell *bell);
    EM_API void em_bell_set(em_bell *bell, int loudness);

    EM_END_DECLARATIONS

    #endif
  TEXT

  def setup
    @root = Dir.mktmpdir
    write("include/eventmachine.h", "/* SPDX */\n/*\n * All of it.\n */\n")
    write("include/eventmachine/export.h", "/* SPDX */\n/*\n * Macros.\n */\n")
    write("docs/c-api.md", "")
  end

  def teardown
    FileUtils.remove_entry(@root)
  end

  def write(file, text)
    path = File.join(@root, file)
    FileUtils.mkdir_p(File.dirname(path))
    File.write(path, text)
  end

  # As where no locale is set.
  def tool(*arguments)
    Open3.capture2e({ "LC_ALL" => "C" }, RbConfig.ruby, TOOL, *arguments)
  end

  def page(header = HEADER)
    write("include/eventmachine/bell.h", header)
    output, status = tool(@root)
    assert_predicate status, :success?, output
    File.read(File.join(@root, "docs/c-api.md"), encoding: "UTF-8")
  end

  def test_the_page_of_this_project_is_current
    output, status = tool("--check")
    assert_predicate status, :success?, output
  end

  def test_a_page_that_is_not_current_is_found_and_left_alone
    page
    assert_predicate tool("--check", @root).last, :success?
    write("docs/c-api.md", "old")
    output, status = tool("--check", @root)
    refute_predicate status, :success?
    assert_match(/not current/, output)
    assert_equal "old", File.read(File.join(@root, "docs/c-api.md"))
  end

  def test_a_missing_page_is_not_current
    page
    FileUtils.rm(File.join(@root, "docs/c-api.md"))
    refute_predicate tool("--check", @root).last, :success?
  end

  def test_a_header_begins_with_what_it_says_of_itself
    assert_includes page, "## Bell\n\n`#include <eventmachine/bell.h>`\n\nBells.\nThey ring by [`em_bell_ring`](#em_bell_ring)."
  end

  def test_functions_show_their_declaration_without_the_macro_and_their_comment
    assert_includes page, <<~TEXT
      #### `em_bell_ring`

      ```c
      em_status em_bell_ring(em_bell *bell, int loudness,
                             int times);
      ```

      Rings it \\*once\\*, see `em_x * 2` and `em_unknown`.

      `times`: 1 \\< n. `EM_NO_BELL` if there is none.
    TEXT
  end

  def test_declarations_under_one_comment_stay_together
    assert_includes page, "### `EM_SOFT`, `EM_LOUD`\n\n```c\n#define EM_SOFT 1\n#define EM_LOUD 2\n```\n\nHow loud."
    assert_includes page, "#### `em_bell_get`, `em_bell_set`\n"
  end

  def test_a_struct_is_shown_whole
    assert_includes page, "/**< in kg */\n\n    void (*rung)(struct em_bell *bell);\n} em_bell;\n```\n\nA bell."
  end

  def test_a_comment_alone_begins_a_group
    assert_includes page, "### Ringing\n\nAny thread.\n\n#### `em_bell_ring`\n"
  end

  def test_every_link_leads_to_a_heading
    text = page
    anchors = text.scan(/^#+ (.*)$/).flatten.map { |heading| heading.downcase.gsub(/[^\w\- ]/, "").tr(" ", "-") }
    links = text.scan(/\]\(#([^)]*)\)/).flatten
    assert_includes links, "em_bell_get-em_bell_set"
    assert_empty links - anchors
  end

  def test_statuses_are_a_table
    text = page(<<~'TEXT')
      /*
       * Statuses.
       */
      EM_BEGIN_DECLARATIONS

      /*
       * Never changed.
       */
      #define EM_STATUS_LIST(X) \
          /* Ours. */           \
          X(EM_OK, 0, "success") \
          X(EM_NO_BELL, -7, "no bell, that is")

      /** One of them. */
      typedef enum em_status {
      #define EM_STATUS_ENUMERATOR(name, number, text) name = number,
          EM_STATUS_LIST(EM_STATUS_ENUMERATOR)
      #undef EM_STATUS_ENUMERATOR
      } em_status;

      EM_END_DECLARATIONS
    TEXT
    assert_includes text, "| `EM_OK` | 0 | success |\n| `EM_NO_BELL` | -7 | no bell, that is |\n\nNever changed.\n"
    assert_includes text, "### `em_status`\n\n```c\ntypedef enum em_status {\n    EM_STATUS_LIST(EM_STATUS_ENUMERATOR)\n}"
  end

  def test_headers_come_in_reading_order_and_new_ones_last
    write("include/eventmachine/version.h", HEADER)
    write("include/eventmachine/status.h", HEADER)
    assert_equal %w[Status Version Bell], page.scan(/^## (.*)$/).flatten
  end
end
