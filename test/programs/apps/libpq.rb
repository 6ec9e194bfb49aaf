# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# usage: ruby libpq.rb CASE CONNECTION
#
# libpq by its asynchronous functions, which EM.watch drives; the outcome is printed.

require "eventmachine"
require "pg"

# A connection to PostgreSQL. libpq reads and writes its socket, whose number may change while it connects.
class Database
  # Reports to the database.
  module Watcher
    def initialize(database)
      @database = database
    end

    def notify_readable
      @database.advance
    end

    def notify_writable
      @database.advance
    end
  end

  attr_reader :postgres

  def initialize(parameters, &connected)
    @postgres = PG::Connection.connect_start(parameters)
    @step = -> { connect(connected) }
    watch(writable: true)
  end

  def ask(sql, &block)
    @postgres.setnonblocking(true)
    @postgres.send_query(sql)
    @results = []
    @step = -> { receive(block) }
    @watch.notify_writable = !@postgres.flush
  end

  def listen
    @step = lambda do
      @postgres.consume_input
      message = @postgres.notifies
      yield message if message
    end
  end

  def advance
    @step.call
  end

  def finish
    @watch.detach
    @postgres.finish
  end

  private

  def watch(writable: false)
    @watch&.detach
    @watch = EM.watch(@postgres.socket, Watcher, self)
    @watch.notify_readable = !writable
    @watch.notify_writable = writable
  end

  def connect(connected)
    case @postgres.connect_poll
    when PG::PGRES_POLLING_READING then watch
    when PG::PGRES_POLLING_WRITING then watch(writable: true)
    when PG::PGRES_POLLING_FAILED then puts("failed") || EM.stop
    when PG::PGRES_POLLING_OK
      watch
      connected.call(self)
    end
  end

  def receive(block)
    @postgres.consume_input
    @watch.notify_writable = !@postgres.flush
    until @postgres.is_busy
      result = @postgres.get_result or return block.call(@results)
      @results << result
    end
  end
end

# The uses by name.
module Cases
  module_function

  def side_by_side(parameters)
    left = 2
    done = ->(text) { puts(text) || ((left -= 1).zero? && EM.stop) }
    Database.new(parameters) { |db| db.ask("select pg_sleep(0.2), 'slow'") { |results| done.call(results[0].getvalue(0, 1)) } }
    Database.new(parameters) { |db| db.ask("select 'quick'") { |results| done.call(results[0].getvalue(0, 0)) } }
  end

  # The query is larger than the socket's buffer, so it is written in pieces.
  def large(parameters)
    text = "x" * 5_000_000
    Database.new(parameters) do |db|
      db.ask("select '#{text}'") { |results| puts(results[0].getvalue(0, 0) == text) || EM.stop }
    end
  end

  def error(parameters)
    Database.new(parameters) { |db| db.ask("select nonsense") { |results| puts(results[0].error_field(PG::PG_DIAG_SQLSTATE)) || EM.stop } }
  end

  def notification(parameters)
    Database.new(parameters) do |listener|
      listener.ask("listen news") do
        listener.listen { |message| puts(message[:extra]) || EM.stop }
        Database.new(parameters) { |db| db.ask("notify news, 'hello'") { db.finish } }
      end
    end
  end

  def failure(parameters)
    Database.new(parameters) { puts "connected" }
  end
end

name, parameters = ARGV

EM.run { Cases.public_send(name, parameters) }
