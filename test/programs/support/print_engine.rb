# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# Loaded before a program of test/programs/apps: its output is not buffered, and its last line is the engine that it ran
# on.

$stdout.sync = true
at_exit { puts "engine: #{$LOADED_FEATURES.grep(/rubyeventmachine\.so\z/).join(' ')}" }
