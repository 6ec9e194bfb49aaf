# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "fileutils"
require "minitest/autorun"
require "open3"
require "rbconfig"
require "tmpdir"

# Writes a small header and reads what tools/check_headers says of it.
class CheckHeadersTest < Minitest::Test
  TOOL = File.expand_path("../../tools/check_headers", __dir__)

  # What follows the rules.
  TYPES = <<~TEXT
    #include <stddef.h>
    #include <stdint.h>
    #define EM_API
    #define EM_STATUS_LIST(X) X(EM_OK, 0, "success")
    typedef enum em_status { EM_OK = 0 } em_status;
    typedef struct em_bell em_bell;
    typedef struct em_tone {
        uint32_t hertz;
    } em_tone;
    typedef struct em_bell_options {
        size_t size;
        uint64_t swing_ns;
    } em_bell_options;
    typedef struct em_bell_stats {
        uint64_t strokes;
    } em_bell_stats;
    typedef void (*em_stroke)(em_bell *bell, void *user);
    EM_API em_status em_bell_create(const em_bell_options *options, em_bell **bell);
    EM_API em_status em_bell_strike(em_bell *bell, em_stroke stroke, void (*done)(void *user, int ok),
                                    void *user);
    EM_API em_status em_bell_find_tone(em_bell *bell, em_tone *tone);
    EM_API em_status em_tone_from_text(const char *text, em_tone *tone);
    EM_API size_t em_tone_to_text(const em_tone *tone, char *text, size_t capacity);
    EM_API int em_bell_is_ringing(const em_bell *bell);
    EM_API uint64_t em_bell_get_swing_ns(const em_bell *bell);
    EM_API em_status em_bell_set_swing_ns(em_bell *bell, uint64_t swing_ns);
    EM_API const char *em_get_version(void);
  TEXT

  def check(line, types: TYPES)
    Dir.mktmpdir do |root|
      FileUtils.mkdir_p("#{root}/include/eventmachine")
      File.write("#{root}/include/eventmachine.h", "#include <eventmachine/bell.h>\n")
      File.write("#{root}/include/eventmachine/bell.h", "#pragma once\n#{types}#{line}\n")
      output, status = Open3.capture2e(RbConfig.ruby, TOOL, root)
      assert_equal output.empty?, status.success?, output
      return output
    end
  end

  # complaints: what is wrong, and the complaint that it gets.
  def assert_refused(complaints)
    output = check(complaints.keys.join("\n"))
    complaints.each { |line, complaint| assert_includes output, complaint, line }
  end

  def test_the_headers_of_this_project_pass
    output, status = Open3.capture2e(RbConfig.ruby, TOOL)
    assert_predicate status, :success?, output
  end

  def test_names_by_the_rule_pass
    assert_empty check("")
  end

  def test_a_folder_without_headers_is_refused
    Dir.mktmpdir { |root| refute_predicate Open3.capture2e(RbConfig.ruby, TOOL, root).last, :success? }
  end

  def test_a_header_that_leans_on_another_is_refused_by_every_compiler
    output = check("EM_API void em_bell_stop(em_bell *bell, ssize_t wait);", types: TYPES.sub("stdint.h", "stddef.h"))
    ["gcc -std=c11", "g++ -std=c++11", "g++ -std=c++17",
     "clang -std=c11", "clang++ -std=c++11", "clang++ -std=c++17"].each do |compiler|
      assert_includes output, "bell.h: does not compile alone with #{compiler}"
    end
  end

  def test_what_only_gnu_c_allows_is_refused
    assert_refused(
      "typedef struct em_none {} em_none;" => "does not compile alone with gcc -std=c11"
    )
  end

  def test_a_word_of_c_plus_plus_is_refused
    assert_refused(
      "EM_API void em_bell_stop(em_bell *bell, int new);" => "does not compile alone with g++ -std=c++17"
    )
  end

  def test_a_function_begins_with_the_type_of_its_first_argument
    assert_refused(
      "EM_API void em_strike(em_bell *bell);" => "em_strike is not named em_ + type of its first argument",
      "EM_API void em_tone_strike(em_bell *bell);" => "em_tone_strike is not named",
      "EM_API void em_bell_strike(int times);" => "em_bell_strike is not named"
    )
  end

  def test_what_a_handle_gives_out_is_no_excuse_for_the_name_of_another_type
    assert_refused(
      "EM_API em_status em_tone_play(em_bell *bell, em_tone *tone);" => "em_tone_play is not named"
    )
  end

  def test_what_reads_its_object_is_a_getter
    assert_refused(
      "EM_API int em_bell_weight(const em_bell *bell);" => "em_bell_weight changes nothing",
      "EM_API int em_bell_weight(em_bell *bell);" => "em_bell_weight returns a value",
      "EM_API em_tone *em_bell_has_tone(const em_bell *bell);" => "em_bell_has_tone is a question of yes or no"
    )
  end

  def test_what_returns_or_sets_a_time_or_an_amount_ends_in_its_unit
    assert_refused(
      "EM_API uint64_t em_bell_get_swing(const em_bell *bell);" => "em_bell_get_swing of type uint64_t ends in",
      "EM_API size_t em_bell_get_weight(const em_bell *bell);" => "em_bell_get_weight of type size_t ends in",
      "EM_API int em_bell_get_period(const em_bell *bell);" => "em_bell_get_period is a time",
      "EM_API void em_bell_set_swing(em_bell *bell, uint64_t swing_ns);" => "em_bell_set_swing sets a value in ns",
      "EM_API void em_bell_set_case(em_bell *bell, size_t case_bytes);" => "em_bell_set_case sets a value in bytes"
    )
  end

  def test_parameters_end_in_their_unit
    assert_refused(
      "EM_API void em_bell_start(em_bell *bell, uint64_t swing);" => "swing of type uint64_t ends in",
      "EM_API void em_bell_start(em_bell *bell, int delay);" => "delay is a time",
      "EM_API void em_bell_start(em_bell *bell, size_t weight);" => "weight of type size_t ends in _bytes",
      "EM_API void em_bell_start(em_bell *bell, int);" => "without a name"
    )
  end

  def test_fields_end_in_their_unit
    assert_refused(
      "typedef struct em_x {\n    int timeout;\n} em_x;" => "em_x: timeout is a time",
      "typedef struct em_x {\n    unsigned send_buffer;\n} em_x;" => "em_x: send_buffer is an amount"
    )
  end

  def test_options_begin_with_their_size
    assert_refused(
      "typedef struct em_x_options {\n    int loud;\n    size_t size;\n} em_x_options;" => "em_x_options: begins with"
    )
  end

  def test_what_foreign_function_interfaces_cannot_call_is_refused
    assert_refused(
      "EM_API void em_bell_say(em_bell *bell, const char *format, ...);" => "a function is variadic",
      "#define EM_TWICE(x) (2 * (x))" => "EM_TWICE: no macro takes arguments"
    )
  end

  def test_names_belong_to_this_library
    assert_refused(
      "#define LOUD 1" => "LOUD: macros begin with EM_",
      "typedef struct bell_end bell_end;" => "bell_end: types begin with em_",
      "typedef void (*bell_call)(em_bell *bell);" => "bell_call: types begin with em_",
      "typedef enum bell_kind {\n    EM_BELL_KIND = 1\n} bell_kind;" => "bell_kind: types begin with em_"
    )
  end
end
