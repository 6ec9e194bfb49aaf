# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# Reloads a configuration whenever it is saved, also by editors that write a new file and rename it over the old one: a
# watch of the directory sees both. The program saves the file itself, twice. Try it:
# ruby -Ilib examples/ruby/watch_file.rb

require "eventmachine"
require "tmpdir"

# Calls the callable with the text of a file, at first and whenever it has changed.
class Configuration < EventMachine::FileWatch
  def initialize(file, callable)
    @file = file
    @callable = callable
    load_file
  end

  def file_modified
    load_file
  end

  private

  # One save may be reported several times, and other files of the directory are reported as well.
  def load_file
    text = File.read(@file)
    return if text == @text || text.empty?

    @text = text
    @callable.call(text)
  rescue Errno::ENOENT
    nil # it is being replaced just now, and the next event follows
  end
end

Dir.mktmpdir do |directory|
  file = File.join(directory, "settings")
  File.write(file, "color: blue")

  EventMachine.run do
    show = lambda do |text|
      puts text
      EventMachine.stop if text == "color: red"
    end
    EventMachine.watch_file(directory, Configuration, file, show)

    EventMachine.add_timer(0.1) { File.write(file, "color: green") }
    EventMachine.add_timer(0.2) do
      File.write("#{file}.new", "color: red")
      File.rename("#{file}.new", file)
    end
  end
end
