# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

# Determines from its memory map which engine a process has loaded: Debian's packages depend on the original.
module EngineLoaded
  OURS = File.join(Children::LIBRARY, "rubyeventmachine.so")

  # @param pid [Integer]
  # @return [Array<String>] the engines' files
  def engines_of(pid)
    File.read("/proc/#{pid}/maps").scan(%r{/\S*rubyeventmachine\.so}).uniq
  end

  def assert_on_our_engine(pid)
    skip "there is no /proc to see it" unless File.exist?("/proc/#{pid}/maps")

    assert_equal [OURS], engines_of(pid)
  end
end
