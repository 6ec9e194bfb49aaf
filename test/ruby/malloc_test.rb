# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# What loading the extension changes of the process's malloc: it keeps up to 64 MiB that Ruby has freed, and nothing
# else.

require "test_helper"

class MallocTest < ReactorTest
  # Takes 20 MB in small blocks, frees them, and looks where the heap ends then (sbrk(2)).
  REUSE = <<~RUBY
    require "fiddle"
    SBRK = Fiddle::Function.new(Fiddle.dlopen(nil)["sbrk"], [Fiddle::TYPE_LONG], Fiddle::TYPE_UINTPTR_T)
    ADDRESSES = Array.new(320, 0)
    def take = ADDRESSES.size.times { |i| ADDRESSES[i] = Fiddle.malloc(64 * 1024) }
    def give_back = ADDRESSES.reverse_each { |address| Fiddle.free(address) }
    2.times { take && give_back }
    take
    highest = SBRK.call(0)
    give_back
    puts highest - SBRK.call(0) < 10_000_000 ? "kept" : "given back"
  RUBY

  # A large block is no longer the process's once it is freed, nor is the next one.
  LARGE = <<~RUBY
    require "fiddle"
    BYTES = 20_000_000
    def resident = File.read("/proc/self/status")[/VmRSS:\\s+(\\d+)/, 1].to_i * 1024
    zeroes = "\\0" * BYTES
    before = resident
    3.times do
      address = Fiddle.malloc(BYTES)
      Fiddle::Pointer.new(address)[0, BYTES] = zeroes
      Fiddle.free(address)
    end
    puts resident - before < BYTES / 2 ? "given back" : "kept"
  RUBY

  def setup
    super
    skip "another libc than glibc" unless glibc?
  end

  def glibc?
    File.exist?("/proc/self/maps") && File.read("/proc/self/maps").include?("/libc.so.6")
  end

  def with_environment(name, value)
    before = ENV.fetch(name, nil)
    ENV[name] = value
    yield
  ensure
    ENV[name] = before
  end

  def test_what_ruby_frees_is_kept_for_the_next_strings
    assert_prints("kept", REUSE)
  end

  def test_large_blocks_go_back_at_once
    assert_prints("given back", LARGE)
  end

  { "MALLOC_TRIM_THRESHOLD_" => "131072", "GLIBC_TUNABLES" => "glibc.malloc.trim_threshold=131072" }.each do |name, value|
    define_method("test_the_users_own_#{name.downcase}_holds") do
      with_environment(name, value) { assert_prints("given back", REUSE) }
    end
  end
end
