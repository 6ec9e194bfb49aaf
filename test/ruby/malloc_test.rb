# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# How loading the extension changes the process's malloc: it keeps up to 64 MiB that Ruby has freed. Nothing else
# changes.

require "test_helper"

class MallocTest < ReactorTest
  # Allocates 20 MB in small blocks, frees them, and returns where the heap ends then (sbrk(2)).
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

  # A large block is returned to the system once it is freed, and so is the next one.
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

  def test_memory_that_ruby_frees_is_kept_for_the_next_strings
    assert_prints("kept", REUSE)
  end

  def test_large_blocks_are_returned_to_the_system_at_once
    assert_prints("given back", LARGE)
  end

  { "MALLOC_TRIM_THRESHOLD_" => "131072", "GLIBC_TUNABLES" => "glibc.malloc.trim_threshold=131072" }.each do |name, value|
    define_method("test_the_users_#{name.downcase}_is_kept") do
      with_environment(name, value) { assert_prints("given back", REUSE) }
    end
  end
end
