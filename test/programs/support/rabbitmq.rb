# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require_relative "started_program"

# RabbitMQ, which takes seconds to start: one server for all tests of a process, in a separate directory, ended with the
# process.
#
#   require "programs_helper"
#   require_relative "../support/rabbitmq"
#
#   class SomeTest < ProgramTest
#     self.time_limit = 120 # the first test waits for the start
#
#     def test_something
#       RabbitMQ.port       # AMQP 0-9-1, on 127.0.0.1
#       RabbitMQ.stomp_port # STOMP
#       RabbitMQ.log        # the server's output so far
#     end
#   end
#
# User and password are "guest". Each test should use its own names of queues, since messages left in a queue reach the
# next test.
module RabbitMQ
  SERVER = "/usr/lib/rabbitmq/bin/rabbitmq-server"
  USER = "rabbitmq"
  PLUGINS = %w[rabbitmq_stomp].freeze
  STARTED = /Server startup complete/.freeze

  class << self
    # @return [Integer]
    def port
      start
      @ports[:amqp]
    end

    # @return [Integer]
    def stomp_port
      start
      @ports[:stomp]
    end

    # @return [String]
    def log
      start.log
    end

    private

    def start
      @start ||= begin
        @programs ||= finish_after_tests([])
        @ports = free_ports(:amqp, :stomp, :distribution, :epmd)
        # Otherwise the server starts it as a daemon, which would remain.
        run(@ports[:epmd], "epmd", "-port", @ports[:epmd].to_s, "-address", "127.0.0.1")
        wait_until_started(run(@ports[:amqp], SERVER) { |folder| configure(folder) })
      end
    end

    def finish_after_tests(programs)
      Minitest.after_run { programs.reverse_each(&:finish) }
      programs
    end

    def run(port, *command)
      program = StartedProgram.new(port, USER)
      @programs << program
      environment = block_given? ? yield(program.directory) : {}
      program.start(environment, command)
    end

    def wait_until_started(program)
      sleep 0.01 until program.log.match?(STARTED) || program.ended?
      raise "RabbitMQ ended:\n#{program.log}" if program.ended?

      program
    end

    # @return [Hash] the environment that keeps all files of the server within the directory
    def configure(folder)
      File.write(File.join(folder, "enabled_plugins"), "[#{PLUGINS.join(',')}].\n")
      File.write(File.join(folder, "rabbitmq.conf"), settings)
      {
        "HOME" => folder,
        "ERL_EPMD_PORT" => @ports[:epmd].to_s,
        "RABBITMQ_NODENAME" => "test#{Process.pid}@localhost",
        "RABBITMQ_DIST_PORT" => @ports[:distribution].to_s,
        "RABBITMQ_MNESIA_BASE" => File.join(folder, "mnesia"),
        "RABBITMQ_LOG_BASE" => File.join(folder, "logs"),
        "RABBITMQ_LOGS" => "-",
        "RABBITMQ_ENABLED_PLUGINS_FILE" => File.join(folder, "enabled_plugins"),
        "RABBITMQ_CONFIG_FILE" => File.join(folder, "rabbitmq.conf"),
        "RABBITMQ_CONF_ENV_FILE" => File::NULL,
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS" => "-kernel inet_dist_use_interface {127,0,0,1}"
      }
    end

    def settings
      <<~SETTINGS
        listeners.tcp.local = 127.0.0.1:#{@ports[:amqp]}
        stomp.listeners.tcp.1 = 127.0.0.1:#{@ports[:stomp]}
        log.console = true
        log.console.level = info
      SETTINGS
    end

    # All ports at once, so that they differ.
    def free_ports(*names)
      sockets = names.to_h { |name| [name, TCPServer.new("127.0.0.1", 0)] }
      sockets.transform_values { |socket| socket.local_address.ip_port }
    ensure
      sockets&.each_value(&:close)
    end
  end
end
