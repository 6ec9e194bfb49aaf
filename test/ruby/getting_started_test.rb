# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# The programs in docs/ruby/getting_started.md do what the text says. Each runs as a reader would run it, on a free
# port.

require "test_helper"

class GettingStartedTest < ReactorTest
  PAGE = File.read(File.expand_path("../../docs/ruby/getting_started.md", __dir__), encoding: Encoding::UTF_8)
  PROGRAMS = PAGE.scan(/^## (.*?)$(?:(?!^## ).)*?```ruby\n(.*?)```/m).to_h.freeze
  # Runs when the program has started its server.
  PREAMBLE = "require 'eventmachine'; $stdout.sync = true; EventMachine.next_tick { puts 'ready' }\n"

  def test_every_program_has_a_test
    assert_equal PAGE.scan("```ruby").size, PROGRAMS.size
    assert_equal PROGRAMS.size, self.class.runnable_methods.grep(/\Atest_step/).size
  end

  def test_step_echo
    step(/echo server/) { |visit, _| assert_equal "hello\n", visit.call.tap { |socket| socket.write("hello\n") }.gets }
  end

  def test_step_lines
    step(/Lines/) do |visit, _|
      socket = visit.call
      socket.write("one\ntwo\r\nexit\n")
      assert_equal "you said: one\nyou said: two\n", socket.read
    end
  end

  def test_step_joining_and_leaving
    step(/leaving/) do |visit, output|
      socket = visit.call
      assert_equal "someone has joined\n", output.gets
      socket.close
      assert_equal "someone has left\n", output.gets
    end
  end

  def test_step_keeping_track
    step(/Keeping track/) do |visit, output|
      visitors = Array.new(2) { |i| visit.call.tap { |socket| assert_equal "Welcome! #{i + 1} here.\n", socket.gets } }
      visitors.each(&:close)
      assert_equal ["1 here\n", "0 here\n"], [output.gets, output.gets]
    end
  end

  def test_step_names
    step(/Names/) do |visit, _|
      ann = enter(visit, "ann", "Welcome, ann! Here are: ann\n")
      ben = enter(visit, "an n", "Letters and digits only, please.\n")
      assert_equal "That name is taken.\n", say(ben, "ann")
      assert_equal "Welcome, ben! Here are: ann, ben\n", say(ben, "ben")
      assert_equal "ann, I heard you.\n", say(ann, "hello")
    end
  end

  def test_step_messages_to_everybody
    step(/Messages to everybody/) do |visit, _|
      ann = enter(visit, "ann", "Welcome, ann! /quit leaves.\n")
      ben = enter(visit, "ben", "Welcome, ben! /quit leaves.\n")
      ben.write("hello\n/quit\n")
      assert_equal ["ben has joined\n", "ben: hello\n", "ben has left\n"], Array.new(3) { ann.gets }
      assert_nil ben.gets
    end
  end

  def test_step_direct_messages
    step(/Direct/) do |visit, output|
      ann = enter(visit, "ann", /\AWelcome, ann!/)
      assert_match(/\A127.0.0.1, port \d+, has connected\n\z/, output.gets)
      ben = enter(visit, "ben", /\AWelcome, ben!/)
      assert_equal "ann, ben\n", say(ben, "/who")
      assert_match(%r{/tell NAME TEXT}, say(ben, "/help"))
      assert_equal "There is no such guest.\n", say(ben, "/tell eve hello")
      ben.write("/tell ann how are you?\nbye\n/quit\n")
      assert_equal ["ben has joined\n", "ben to you: how are you?\n", "ben: bye\n", "ben has left\n"], Array.new(4) { ann.gets }
    end
  end

  private

  # Yields a lambda that opens a connection to the program, and the output of the program.
  def step(title)
    port = free_port
    source = PROGRAMS.fetch(PROGRAMS.keys.grep(title).first).gsub("8081", port.to_s)
    IO.popen([RbConfig.ruby, "-w", "-I", Children::LIBRARY, "-e", PREAMBLE + source]) do |output|
      nil until (output.gets or flunk "the program ended early") == "ready\n"
      yield -> { ours(TCPSocket.new("127.0.0.1", port)) }, output
    ensure
      Process.kill(:KILL, output.pid)
    end
  end

  def enter(visit, name, answer)
    socket = visit.call
    assert_equal "Your name?\n", socket.gets
    assert_operator answer, :===, say(socket, name)
    socket
  end

  def say(socket, line)
    socket.write("#{line}\n")
    socket.gets
  end
end
