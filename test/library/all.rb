# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# Runs what uses the C library from outside, as its users do: the C of the pages, and programs in Python. They need
# build/asan and build/release. ruby test/library/all.rb

Encoding.default_external = Encoding::UTF_8
Dir[File.join(__dir__, "*_test.rb")].sort.each { |test| require test }
