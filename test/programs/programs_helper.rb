# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# What tests with the programs of others start from: a reactor test that can start such programs, each on a free port of
# loopback and in a folder of its own, and that ends them with itself.

require "test_helper"
require_relative "support/started_program"

# A test in which others' programs run.
class ProgramTest < ReactorTest
  self.time_limit = 60

  def after_teardown
    super
  ensure
    @programs&.reverse_each(&:finish)
  end

  # Starts a program and waits until it accepts connections.
  #
  # @param environment [Hash{String => String}]
  # @param port [Integer, nil] nil: it listens on none; it counts as ready at once then
  # @param user [String, nil] who runs it, if this is root; its folder belongs to that user
  # @yieldparam port [Integer]
  # @yieldparam directory [String] its folder, in which it starts
  # @yieldreturn [Array<String>] the command
  # @return [StartedProgram]
  def start_program(environment = {}, port: free_port, user: nil)
    program = StartedProgram.new(port, user)
    (@programs ||= []) << program
    program.start(environment, yield(port, program.directory))
  end

  # The command of a Ruby program that finds our engine when it requires eventmachine, whatever else is installed.
  # @return [Array<String>]
  def ruby_command(*arguments)
    [RbConfig.ruby, "-I", Children::LIBRARY, *arguments]
  end
end
