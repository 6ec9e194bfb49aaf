# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# The base of the tests with third-party programs: a reactor test that can start such programs, each on a free port of
# the loopback interface and in a separate directory, and that ends them after the test.

require "test_helper"
require_relative "support/engine_loaded"
require_relative "support/started_program"

# A test that runs third-party programs.
class ProgramTest < ReactorTest
  include EngineLoaded

  APPS = File.join(__dir__, "apps")
  PRINT_ENGINE = File.join(__dir__, "support", "print_engine.rb")

  self.time_limit = 60

  def after_teardown
    super
  ensure
    @programs&.reverse_each(&:finish)
  end

  # Starts a program and waits until it accepts connections.
  #
  # @param environment [Hash{String => String}]
  # @param port [Integer, nil] nil if it does not listen; then it counts as ready at once
  # @param user [String, nil] the user who runs it, if the test runs as root; its directory belongs to that user
  # @param ended_by [Symbol] the signal that ends it
  # @yieldparam port [Integer]
  # @yieldparam directory [String] its working directory
  # @yieldreturn [Array<String>] the command
  # @return [StartedProgram]
  def start_program(environment = {}, port: free_port, user: nil, ended_by: :TERM)
    program = StartedProgram.new(port, user, ended_by)
    (@programs ||= []) << program
    program.start(environment, yield(port, program.directory))
  end

  # Runs a Ruby program of test/programs/apps to its end.
  # @param environment [Hash{String => String}]
  # @return [Array<String>] the lines that it printed
  def lines_of(name, *arguments, limit: 30, environment: {})
    output = Tempfile.new("program")
    pid = spawn(environment, *ruby_app(name, *arguments), in: File::NULL, %i[out err] => output)
    status = await_exit(pid, limit)
    lines = File.read(output.path).lines(chomp: true)
    assert_predicate status, :success?, lines.join("\n")
    assert_equal "engine: #{OURS}", lines.pop
    lines
  ensure
    output&.close!
  end

  # The command of a Ruby program of test/programs/apps.
  # @return [Array<String>]
  def ruby_app(name, *arguments)
    ruby_command("-r", PRINT_ENGINE, File.join(APPS, "#{name}.rb"), *arguments.map(&:to_s))
  end

  # The command of a Ruby program that loads our engine when it requires eventmachine, even if another one is installed.
  # @return [Array<String>]
  def ruby_command(*arguments)
    [RbConfig.ruby, "-I", Children::LIBRARY, *arguments]
  end
end
