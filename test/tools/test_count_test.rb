# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "minitest/autorun"
require_relative "../../tools/test_count"

# Gives TestCount what ctest and minitest print.
class TestCountTest < Minitest::Test
  def program(name, output, verdict)
    "1/9 Testing: #{name}\n1/9 Test: #{name}\nOutput:\n#{'-' * 58}\n#{output}<end of output>\nTest time = 0.01 sec\n" \
      "#{'-' * 58}\nTest #{verdict}.\n\n"
  end

  def cmocka(passed: 0, failed: 0, skipped: 0, before: "")
    total = passed + failed + skipped
    output = +"#{before}[==========] tests: #{total} test(s) run.\n[  PASSED  ] #{passed} test(s).\n"
    output << "[  SKIPPED ] #{skipped} test(s), listed below:\n[  SKIPPED ] some_test\n" if skipped.positive?
    output << "[  FAILED  ] #{failed} test(s), listed below:\n[  FAILED  ] some_test\n" if failed.positive?
    output
  end

  def ctest(*programs)
    TestCount.of_ctest("Start testing: today\n#{'-' * 58}\n#{programs.join}")
  end

  def test_adds_up_the_tests_of_all_programs
    count = ctest(program("unit_list", cmocka(passed: 3), "Passed"),
                  program("unit_timer", cmocka(passed: 2, failed: 1), "Failed"))
    assert_equal "5 passed, 1 failed, 0 skipped", count.to_s
    refute_predicate count, :fine?
  end

  def test_a_program_without_cmocka_is_one_test
    assert_equal "1 passed, 1 failed, 0 skipped",
                 ctest(program("example", "hello\n", "Passed"), program("other", "", "Failed")).to_s
  end

  def test_a_program_that_crashes_after_its_last_test_has_failed
    assert_equal "3 passed, 1 failed, 0 skipped", ctest(program("unit_list", cmocka(passed: 3), "Failed")).to_s
  end

  def test_a_skipped_test_of_cmocka_needs_a_reason
    reason = "skipped: this kernel has no io_uring\n"
    with = ctest(program("unit_ring", cmocka(passed: 1, skipped: 1, before: reason), "Passed"))
    without = ctest(program("unit_ring", cmocka(passed: 1, skipped: 2, before: reason), "Passed"))
    assert_equal "1 passed, 0 failed, 1 skipped", with.to_s
    assert_predicate with, :fine?
    assert_equal ["unit_ring"], without.silent
    refute_predicate without, :fine?
  end

  def test_reads_the_summary_line_of_minitest
    assert_equal "5 passed, 3 failed, 1 skipped",
                 TestCount.of_minitest("...\n\n9 runs, 20 assertions, 1 failures, 2 errors, 1 skips\n").to_s
  end

  def test_a_skipped_test_of_minitest_needs_a_reason
    output = <<~TEXT
        1) Skipped:
      ATest#test_with [a_test.rb:4]:
      no IPv6 here

        2) Skipped:
      ATest#test_without [a_test.rb:5]:
      Skipped, no message given

      2 runs, 0 assertions, 0 failures, 0 errors, 2 skips
    TEXT
    assert_equal ["ATest#test_without"], TestCount.of_minitest(output).silent
  end

  def test_a_run_without_tests_is_a_failure
    refute_predicate TestCount.of_minitest("No such file").confirmed(true), :fine?
    refute_predicate ctest.confirmed(true), :fine?
  end

  def test_an_exit_status_other_than_0_is_a_failure_whatever_was_printed
    good = TestCount.of_minitest("2 runs, 2 assertions, 0 failures, 0 errors, 0 skips\n")
    assert_equal "2 passed, 0 failed, 0 skipped", good.confirmed(true).to_s
    assert_equal "2 passed, 1 failed, 0 skipped", good.confirmed(false).to_s
  end
end
