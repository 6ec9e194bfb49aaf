# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# Runs every test of the Ruby interface in one process: ruby -Ilib -Itest/ruby test/ruby/all.rb

Dir[File.join(__dir__, "**", "*_test.rb")].sort.each { |test| require test }
