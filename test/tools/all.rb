# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# Runs every test of the tools in one process: ruby test/tools/all.rb

Encoding.default_external = Encoding::UTF_8
Dir[File.join(__dir__, "*_test.rb")].sort.each { |test| require test }
