# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require_relative "checkout"

module Comparison
  ROOT = File.expand_path("../..", __dir__)
  BENCH = File.join(ROOT, "bench")
  BUILD = File.join(ROOT, "build", "bench")
  LOAD = File.join(BUILD, "load")
  HERE = Checkout.new(ROOT)

  BASELINE = "epoll"
  BARE = [BASELINE, "batch", "uring"].freeze
  IPERF3 = "iperf3"
  DATAGRAMS = "datagrams"
  SERVERS = %w[echo sink tls file].freeze
  WITHOUT_FILES = SERVERS - ["file"]
  PROCESSES = "processes"
  ALONE = ["timers", "ticks", PROCESSES].freeze
  OPENSSL = %w[-lssl -lcrypto].freeze

  # One of the libraries that are compared, and the programs that bench/ has for it.
  #
  # name: as given to --programs. label: its name in tables. group: "C" or "others", which the plot separates; nil for
  # what is not drawn. kinds: the programs that exist: the servers "echo", "sink", "tls", "file" and "datagrams", and
  # "timers", "ticks" and "processes", which run alone. source: the ending of their files, for instance "libuv.c" of
  # echo_libuv.c. link: arguments for the C compiler, without OpenSSL. foreign: instead of a source, the command of a
  # server that is not in bench/; its last argument will be the port. package: the Debian package, for its version.
  # checkout: for our programs, where they come from. backend: for our programs, the value of EM_BACKEND; nil for the
  # default.
  Program = Struct.new(:name, :label, :group, :kinds, :source, :link, :foreign, :package, :checkout,
                       :backend, keyword_init: true) do
    def c?
      source.to_s.end_with?(".c")
    end

    def go?
      source.to_s.end_with?(".go")
    end

    # @return [Boolean] whether it is this project's own
    def ours?
      !checkout.nil?
    end

    # @return [Boolean] whether it belongs to the other checkout with which this one is compared
    def before?
      ours? && checkout != HERE
    end

    # @return [Boolean] whether it is this project's on a requested backend, which not every kernel has
    def variant?
      !backend.nil?
    end

    # @return [Hash] the variables of its environment; those with the value nil are unset
    def environment
      ours? ? { "EM_BACKEND" => backend } : {}
    end

    # @param kind [String] one of its kinds
    # @return [Array<String>] the command that starts it
    def command(kind)
      return foreign if foreign
      return [File.join(BUILD, *("before" if before?), "#{kind}_#{File.basename(source, '.*')}")] if c? || go?
      return [file("#{kind}_#{source}")] if [*SERVERS, DATAGRAMS].include?(kind)

      [file("#{kind}.rb"), "--library", ours? ? "ours" : "original"]
    end

    # @param kind [String] one of its kinds
    # @return [Array<String>] arguments for the C compiler
    def link_for(kind)
      # Our library brings its own.
      [*link, *(OPENSSL if kind == "tls" && !ours?)]
    end

    # @param name [String]
    # @return [String] the path of that file in bench/ of its checkout
    def file(name)
      File.join((checkout || HERE).bench, name)
    end
  end

  # Our programs: on the default backend, on each backend that can be requested, and that of the other checkout.
  def self.ours(before, name:, label:, source:, group:)
    common = { source: source, group: group, checkout: HERE, link: HERE.link, kinds: SERVERS }
    here = [Program.new(**common, name: name, label: label, kinds: [*SERVERS, DATAGRAMS, *ALONE]),
            Program.new(**common, name: "#{name}-epoll", label: "#{label}, epoll", backend: "epoll"),
            Program.new(**common, name: "#{name}-uring", label: "#{label}, io_uring", backend: "uring")]
    return here unless before

    [*here, Program.new(**common, name: "#{name}-before", label: "#{label}, before", group: nil, checkout: before,
                                  link: before.link)]
  end

  # @param before [Checkout, nil] another one of this project, whose programs are measured as well
  # @return [Array<Program>] everything that can be compared, in the order of the tables
  def self.programs(before = nil)
    [*bare_loops, *ours(before, name: "eventmachine-c", label: "EventMachine, C", source: "eventmachine.c", group: "C"),
     Program.new(name: "eventmachine-c-segments", label: "EventMachine, C, segmentation", group: "C",
                 kinds: [DATAGRAMS], source: "eventmachine_segments.c", checkout: HERE, link: HERE.link),
     *peers_in_c,
     *ours(before, name: "eventmachine-ruby", label: "EventMachine, Ruby", source: "eventmachine.rb", group: "others"),
     Program.new(name: "eventmachine-ruby-into", label: "EventMachine, Ruby, receive_into", group: "others",
                 kinds: %w[sink], source: "eventmachine_into.rb", checkout: HERE),
     Program.new(name: "eventmachine-ruby-stream", label: "EventMachine, Ruby, stream_file_data", group: "others",
                 kinds: %w[file], source: "eventmachine_stream.rb", checkout: HERE),
     *peers_in_other_languages]
  end

  # The cost of the kernel alone: plain calls, calls in batches, completions.
  def self.bare_loops
    [Program.new(name: BASELINE, label: "bare epoll loop", group: "C", kinds: [*SERVERS, DATAGRAMS, PROCESSES],
                 source: "epoll.c"),
     Program.new(name: "batch", label: "bare batched loop", group: "C", kinds: %w[echo], source: "batch.c",
                 link: ["-luring"]),
     Program.new(name: "uring", label: "bare io_uring loop", group: "C", kinds: %w[echo sink], source: "uring.c",
                 link: ["-luring"], package: "liburing-dev")]
  end

  def self.peers_in_c
    [Program.new(name: "libuv", label: "libuv", group: "C", kinds: %w[echo sink timers], source: "libuv.c",
                 link: ["-luv"], package: "libuv1-dev"),
     Program.new(name: "libev", label: "libev", group: "C", kinds: %w[echo sink timers], source: "libev.c",
                 link: ["-lev"], package: "libev-dev"),
     Program.new(name: "libevent", label: "libevent", group: "C", kinds: %w[echo sink timers], source: "libevent.c",
                 link: ["-levent"], package: "libevent-dev"),
     Program.new(name: IPERF3, label: "iperf3", group: "C", kinds: %w[sink], foreign: %w[iperf3 -s -p],
                 package: "iperf3")]
  end

  def self.peers_in_other_languages
    [Program.new(name: "original", label: "original EventMachine", group: "others",
                 kinds: [*SERVERS, DATAGRAMS, *ALONE], source: "original.rb", package: "ruby-eventmachine"),
     Program.new(name: "nio4r", label: "nio4r", group: "others", kinds: %w[echo sink], source: "nio4r.rb",
                 package: "ruby-nio4r"),
     Program.new(name: "async", label: "async", group: "others", kinds: %w[echo], source: "async.rb",
                 package: "ruby-async"),
     Program.new(name: "threads", label: "Ruby threads", group: "others", kinds: %w[echo tls], source: "threads.rb"),
     Program.new(name: "uvloop", label: "uvloop (Python)", group: "others", kinds: %w[echo], source: "uvloop.py",
                 package: "python3-uvloop"),
     Program.new(name: "node", label: "Node", group: "others", kinds: WITHOUT_FILES, source: "node.js", package: "nodejs"),
     Program.new(name: "go", label: "Go", group: "others", kinds: WITHOUT_FILES, source: "goroutines.go",
                 package: "golang-go")]
  end
end
