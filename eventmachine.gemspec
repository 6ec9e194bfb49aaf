# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require_relative "lib/em/version"

Gem::Specification.new do |spec|
  spec.name = "eventmachine"
  spec.version = EventMachine::VERSION
  spec.authors = ["EventMachine contributors"]
  spec.summary = "Event loop for network programs"
  spec.description = "EventMachine runs network servers, clients, timers and child processes on one event loop. " \
                     "The engine is a C library of its own, libeventmachine, which this gem compiles and drives."
  spec.licenses = ["Ruby", "BSD-2-Clause"]
  spec.required_ruby_version = ">= 3.0"

  # No git needed: the gem also builds from an unpacked archive.
  spec.files = Dir.chdir(__dir__) do
    Dir["{include,src}/**/*.{c,h}", "ext/eventmachine/*.{c,h,rb}", "lib/**/*.rb", "examples/ruby/**/*.rb", "docs/**/*.md",
        "{README,CHANGELOG,CONTRIBUTING}.md", "LICENSE"].sort
  end
  spec.extensions = ["ext/eventmachine/extconf.rb"]
  spec.require_paths = ["lib"]
  spec.metadata["rubygems_mfa_required"] = "true"
end
