# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

module Comparison
  # One of the libraries that are compared, and the programs that bench/ has for it: an echo server always, programs
  # that measure timers and ticks for some.
  #
  # name: as given to --programs. label: as it stands in tables. group: "C" or "scripts", which are told apart in the
  # plot. source: the ending of its files, for instance "libuv.c" of echo_libuv.c. link: arguments for the compiler.
  # probe: a command that succeeds if the library is there (for C the compiler finds out). package: Debian's, for its
  # version.
  Program = Struct.new(:name, :label, :group, :source, :link, :probe, :package, :extras, keyword_init: true) do
    def c?
      source.end_with?(".c")
    end

    # @return [Boolean] whether it is this project's own
    def ours?
      source.start_with?("eventmachine.")
    end

    # @param kind [String] "echo", "timers" or "ticks"
    # @return [Array<String>] the command that starts it
    def command(kind)
      return [File.join(BUILD, "#{kind}_#{File.basename(source, '.c')}")] if c?
      return [File.join(BENCH, "#{kind}_#{source}")] if kind == "echo"

      [File.join(BENCH, "#{kind}.rb"), "--library", ours? ? "ours" : "original"]
    end
  end

  ROOT = File.expand_path("../..", __dir__)
  BENCH = File.join(ROOT, "bench")
  BUILD = File.join(ROOT, "build", "bench")
  LIBRARY = File.join(ROOT, "build", "release", "libeventmachine.a")
  EXTENSION = File.join(ROOT, "lib", "rubyeventmachine.so")

  BASELINE = "epoll"

  # Everything that can be compared, in the order of the tables.
  PROGRAMS = [
    Program.new(name: "epoll", label: "bare epoll loop", group: "C", source: "epoll.c", link: [], extras: []),
    Program.new(name: "eventmachine-c", label: "EventMachine, C", group: "C", source: "eventmachine.c",
                link: ["-I#{ROOT}/include", LIBRARY, "-pthread"], extras: %w[timers ticks]),
    Program.new(name: "libuv", label: "libuv", group: "C", source: "libuv.c", link: ["-luv"], package: "libuv1-dev",
                extras: %w[timers]),
    Program.new(name: "libev", label: "libev", group: "C", source: "libev.c", link: ["-lev"], package: "libev-dev",
                extras: %w[timers]),
    Program.new(name: "libevent", label: "libevent", group: "C", source: "libevent.c", link: ["-levent"],
                package: "libevent-dev", extras: %w[timers]),
    Program.new(name: "eventmachine-ruby", label: "EventMachine, Ruby", group: "scripts", source: "eventmachine.rb",
                probe: ["ruby", "-I#{ROOT}/lib", "-e", 'require "eventmachine"'], extras: %w[timers ticks]),
    Program.new(name: "original", label: "original EventMachine", group: "scripts", source: "original.rb",
                probe: ["ruby", "-e", 'require "eventmachine"'], package: "ruby-eventmachine",
                extras: %w[timers ticks]),
    Program.new(name: "nio4r", label: "nio4r", group: "scripts", source: "nio4r.rb",
                probe: ["ruby", "-e", 'require "nio"'], package: "ruby-nio4r", extras: []),
    Program.new(name: "async", label: "async", group: "scripts", source: "async.rb",
                probe: ["ruby", "-e", 'require "async"'], package: "ruby-async", extras: []),
    Program.new(name: "uvloop", label: "uvloop (Python)", group: "scripts", source: "uvloop.py",
                probe: ["/usr/bin/python3", "-c", "import uvloop"], package: "python3-uvloop", extras: [])
  ].freeze
end
