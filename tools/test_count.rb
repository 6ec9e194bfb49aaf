# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

# How many tests passed, failed and were skipped, read from what the test programs print.
#
# @!attribute silent [Array<String>] the tests that were skipped without a reason
TestCount = Struct.new(:passed, :failed, :skipped, :silent) do
  def self.none
    new(0, 0, 0, [])
  end

  # @param succeeded [Boolean] whether the one check passed
  def self.one(succeeded)
    succeeded ? new(1, 0, 0, []) : new(0, 1, 0, [])
  end

  # @param log [String] ctest's LastTest.log, which has the output of each program between "Testing:" and the verdict. A
  #   program that does not use cmocka counts as one test.
  def self.of_ctest(log)
    log.split(%r{^\d+/\d+ Testing: }).drop(1).sum(none) { |section| of_ctest_program(section) }
  end

  def self.of_ctest_program(section)
    succeeded = section.include?("\nTest Passed.")
    return one(succeeded) unless section.include?("[==========]")

    passed, failed, skipped = %w[PASSED FAILED SKIPPED].map do |word|
      section.scan(/^\[  #{word} {1,2}\] (\d+) test/).flatten.sum(&:to_i)
    end
    failed = 1 if failed.zero? && !succeeded
    reasons = section.scan(/^skipped: .*\S/).size
    new(passed, failed, skipped, reasons < skipped ? [section.lines.first.strip] : [])
  end
  private_class_method :of_ctest_program

  # @param output [String] of a run of minitest; nothing is counted if its summary line is missing
  def self.of_minitest(output)
    closing = output[/^\d+ runs, \d+ assertions, .*/] or return none
    runs, _, failures, errors, skipped = closing.scan(/\d+/).map(&:to_i)
    silent = output.scan(/^ *\d+\) Skipped:\n(\S+) \[.*\n(?:Skipped, no message given|\s*$)/).flatten
    new(runs - failures - errors - skipped, failures + errors, skipped, silent)
  end

  def +(other)
    self.class.new(*to_a.zip(other.to_a).map { |mine, theirs| mine + theirs })
  end

  # A program may also fail after its last test, or before its first.
  # @return [TestCount] this one, plus a failure if the program failed or ran no test
  def confirmed(succeeded)
    failed.zero? && (!succeeded || passed + skipped == 0) ? self + self.class.one(false) : self
  end

  def fine?
    failed.zero? && silent.empty?
  end

  def to_s
    "#{passed} passed, #{failed} failed, #{skipped} skipped"
  end
end
