# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# EM.open_keyboard: standard input, byte by byte.

require "test_helper"
require "pty"

class KeyboardTest < ReactorTest
  KEYBOARD = <<~RUBY
    module Keyboard
      def post_init = (@keys = [])

      def receive_data(key)
        @keys << key
      end

      def unbind(reason)
        p @keys, reason
        EM.stop
      end
    end
  RUBY

  def piped(text)
    reader, writer = IO.pipe
    writer.write(text)
    writer.close
    yield reader
  ensure
    reader.close
  end

  def test_each_byte_is_one_receive_data_and_the_end_is_unbind
    piped("abc\n") do |input|
      assert_prints '["a", "b", "c", "\n"]', "nil", "#{KEYBOARD}\nEM.run { EM.open_keyboard(Keyboard) }", input: input
    end
  end

  def test_standard_input_may_be_a_file_or_the_null_device
    Tempfile.create("keyboard") do |file|
      file.write("xy")
      file.flush
      assert_prints '["x", "y"]', "nil", "#{KEYBOARD}\nEM.run { EM.open_keyboard(Keyboard) }", input: file.path
    end
    assert_prints "[]", "nil", "#{KEYBOARD}\nEM.run { EM.open_keyboard(Keyboard) }"
  end

  def test_neither_the_mode_nor_the_descriptor_is_changed
    piped("a") do |input|
      assert_prints "[true, true, -1, false]", <<~RUBY, input: input
        require "fcntl"
        mode = -> { $stdin.fcntl(Fcntl::F_GETFL) }
        before = mode.call
        seen = sent = only = nil
        handler = Module.new do
          define_method(:receive_data) { |_| (seen = mode.call == before) && (sent = send_data("x")) }
          define_method(:unbind) { EM.stop }
        end
        EM.run { only = EM.open_keyboard(handler).watch_only? }
        p [seen, mode.call == before, sent, only]
      RUBY
    end
  end

  def test_a_terminal_delivers_what_is_typed
    master, terminal = PTY.open
    master.write("hi\n\x04")
    assert_prints '["h", "i", "\n"]', "nil", "#{KEYBOARD}\nEM.run { EM.open_keyboard(Keyboard) }", input: terminal
  ensure
    [master, terminal].each { |io| io&.close }
  end

  def test_pause_and_close_lose_no_bytes_for_whoever_reads_next
    piped("abcdef") do |input|
      assert_prints '["abc", "def"]', <<~RUBY, input: input
        keys = +""
        handler = Module.new do
          define_method(:receive_data) do |key|
            keys << key
            (pause && EM.add_timer(0.01) { resume }) if keys == "ab"
            close_connection if keys == "abc"
          end
          define_method(:unbind) { EM.stop }
        end
        EM.run { EM.open_keyboard(handler) }
        p [keys, IO.for_fd(0, autoclose: false).read]
      RUBY
    end
  end

  def test_a_closed_standard_input_is_refused
    assert_prints "no keyboard reader", <<~RUBY
      require "fiddle"
      Fiddle::Function.new(Fiddle::Handle::DEFAULT["close"], [Fiddle::TYPE_INT], Fiddle::TYPE_INT).call(0)
      begin
        EM.run { EM.open_keyboard }
      rescue RuntimeError => e
        puts e.message
      end
    RUBY
  end

  def test_the_end_costs_nothing
    assert_prints "true", <<~RUBY
      before = nil
      EM.run do
        EM.open_keyboard
        EM.add_timer(0.05) { before = Process.clock_gettime(Process::CLOCK_PROCESS_CPUTIME_ID) }
        EM.add_timer(0.25) { EM.stop }
      end
      p Process.clock_gettime(Process::CLOCK_PROCESS_CPUTIME_ID) - before < 0.1
    RUBY
  end
end
