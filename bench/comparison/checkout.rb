# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "open3"

module Comparison
  # A checkout of this project in which `make build` has run: this one, or another whose library and programs are
  # measured as well. A program in C is compiled from the checkout's own source against its own headers and library. A
  # program in Ruby loads the library of the checkout that contains it.
  class Checkout
    # @return [String]
    attr_reader :root

    # @param root [String] its directory
    def initialize(root)
      @root = File.expand_path(root)
    end

    # @return [String] where its benchmark programs are
    def bench
      File.join(root, "bench")
    end

    # @return [Array<String>] compiler arguments for a program in C that uses its static library
    def link
      facts = File.join(root, "build", "release", "eventmachine.pc")
      needed = File.exist?(facts) ? File.read(facts)[/^Libs\.private:(.*)/, 1].to_s.split : []
      ["-I#{root}/include", library, *needed]
    end

    # @param c [Boolean] true for a program in C, false for one in Ruby
    # @return [String, nil] the reason why it cannot run
    def missing(c:)
      file = c ? library : File.join(root, "lib", "rubyeventmachine.so")
      "#{file.delete_prefix("#{root}/")} is missing, run `make build`" unless File.exist?(file)
    end

    # @return [String] the commit that is checked out, or nothing if git does not know
    def commit
      output("git", "-C", root, "log", "-1", "--format=%h of %cs")
    end

    # @return [String] its default backend in Ruby
    def default_backend
      script = 'require "eventmachine"; EM.run { puts EM.backend; EM.stop }'
      output({ "EM_BACKEND" => nil }, "ruby", "-I#{root}/lib", "-e", script)
    end

    private

    def library
      File.join(root, "build", "release", "libeventmachine.a")
    end

    def output(*command)
      text, status = Open3.capture2(*command, err: File::NULL)
      status.success? ? text.strip : ""
    rescue SystemCallError
      ""
    end
  end
end
