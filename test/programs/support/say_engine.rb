# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# Loaded before a program of test/programs/apps. What it prints comes at once, and last which engine it ran on.

$stdout.sync = true
at_exit { puts "engine: #{$LOADED_FEATURES.grep(/rubyeventmachine\.so\z/).join(' ')}" }
