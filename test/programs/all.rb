# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# usage: ruby -Ilib -Itest/ruby -Itest/programs test/programs/all.rb [large]
#
# Runs the tests with third-party programs: those that `make test` includes, or with `large`, those that need large
# servers (`make test-programs`).

folder = ARGV.delete("large") || "."
Dir[File.join(__dir__, folder, "*_test.rb")].sort.each { |test| require test }
