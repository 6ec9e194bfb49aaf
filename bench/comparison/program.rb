# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

module Comparison
  # One of the libraries that are compared, and the programs that bench/ has for it.
  #
  # name: as given to --programs. label: as it stands in tables. group: "C" or "others", which are told apart in the
  # plot. kinds: which programs there are, the servers "echo" and "sink", and "timers" and "ticks", which run alone.
  # source: the ending of their files, for instance "libuv.c" of echo_libuv.c. link: arguments for the C compiler.
  # foreign: instead of a source, the command of a server that is no program of bench/; its last argument will be the
  # port. package: Debian's, for its version. backend: of ours, which one EM_BACKEND asks for; nil for the default.
  Program = Struct.new(:name, :label, :group, :kinds, :source, :link, :foreign, :package, :backend,
                       keyword_init: true) do
    def c?
      source.to_s.end_with?(".c")
    end

    def go?
      source.to_s.end_with?(".go")
    end

    # @return [Boolean] whether it is this project's own
    def ours?
      source.to_s.start_with?("eventmachine")
    end

    # @return [Boolean] whether it is our own on a backend that is asked for, which not every kernel has
    def variant?
      !backend.nil?
    end

    # @return [Hash] what is set in its environment, and unset where the value is nil
    def environment
      ours? ? { "EM_BACKEND" => backend } : {}
    end

    # @param kind [String] one of its kinds
    # @return [Array<String>] the command that starts it
    def command(kind)
      return foreign if foreign
      return [File.join(BUILD, "#{kind}_#{File.basename(source, '.*')}")] if c? || go?
      return [File.join(BENCH, "#{kind}_#{source}")] if %w[echo sink].include?(kind)

      [File.join(BENCH, "#{kind}.rb"), "--library", ours? ? "ours" : "original"]
    end
  end

  ROOT = File.expand_path("../..", __dir__)
  BENCH = File.join(ROOT, "bench")
  BUILD = File.join(ROOT, "build", "bench")
  LOAD = File.join(BUILD, "load")
  LIBRARY = File.join(ROOT, "build", "release", "libeventmachine.a")
  LIBRARY_FACTS = File.join(ROOT, "build", "release", "eventmachine.pc")
  EXTENSION = File.join(ROOT, "lib", "rubyeventmachine.so")

  BASELINE = "epoll"
  IPERF3 = "iperf3"

  # What a program that uses our static library is linked with.
  def self.library_link
    needed = File.exist?(LIBRARY_FACTS) ? File.read(LIBRARY_FACTS)[/^Libs\.private:(.*)/, 1].to_s.split : []
    ["-I#{ROOT}/include", LIBRARY, *needed]
  end

  # Ours, on the backend that it chooses by itself and on each that can be asked for.
  def self.ours(name, label, **others)
    [Program.new(name: name, label: label, kinds: %w[echo sink timers ticks], **others),
     *{ "epoll" => "epoll", "uring" => "io_uring" }.map do |backend, title|
       Program.new(name: "#{name}-#{backend}", label: "#{label}, #{title}", kinds: %w[echo sink], backend: backend,
                   **others)
     end]
  end

  # Everything that can be compared, in the order of the tables.
  PROGRAMS = [
    Program.new(name: BASELINE, label: "bare epoll loop", group: "C", kinds: %w[echo sink], source: "epoll.c"),
    Program.new(name: "uring", label: "bare io_uring loop", group: "C", kinds: %w[echo sink], source: "uring.c",
                link: ["-luring"], package: "liburing-dev"),
    *ours("eventmachine-c", "EventMachine, C", group: "C", source: "eventmachine.c", link: library_link),
    Program.new(name: "libuv", label: "libuv", group: "C", kinds: %w[echo sink timers], source: "libuv.c",
                link: ["-luv"], package: "libuv1-dev"),
    Program.new(name: "libev", label: "libev", group: "C", kinds: %w[echo sink timers], source: "libev.c",
                link: ["-lev"], package: "libev-dev"),
    Program.new(name: "libevent", label: "libevent", group: "C", kinds: %w[echo sink timers], source: "libevent.c",
                link: ["-levent"], package: "libevent-dev"),
    Program.new(name: IPERF3, label: "iperf3", group: "C", kinds: %w[sink], foreign: %w[iperf3 -s -p],
                package: "iperf3"),
    *ours("eventmachine-ruby", "EventMachine, Ruby", group: "others", source: "eventmachine.rb"),
    Program.new(name: "eventmachine-ruby-into", label: "EventMachine, Ruby, receive_into", group: "others", kinds: %w[sink],
                source: "eventmachine_into.rb"),
    Program.new(name: "original", label: "original EventMachine", group: "others", kinds: %w[echo sink timers ticks],
                source: "original.rb", package: "ruby-eventmachine"),
    Program.new(name: "nio4r", label: "nio4r", group: "others", kinds: %w[echo sink], source: "nio4r.rb",
                package: "ruby-nio4r"),
    Program.new(name: "async", label: "async", group: "others", kinds: %w[echo], source: "async.rb",
                package: "ruby-async"),
    Program.new(name: "threads", label: "Ruby threads", group: "others", kinds: %w[echo], source: "threads.rb"),
    Program.new(name: "uvloop", label: "uvloop (Python)", group: "others", kinds: %w[echo], source: "uvloop.py",
                package: "python3-uvloop"),
    Program.new(name: "node", label: "Node", group: "others", kinds: %w[echo sink], source: "node.js",
                package: "nodejs"),
    Program.new(name: "go", label: "Go", group: "others", kinds: %w[echo sink], source: "goroutines.go",
                package: "golang-go")
  ].freeze
end
