# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "em/completion"

module EventMachine
  # One thread that owns one thing whose calls block, such as a connection of a database library. The work for it comes
  # from the reactor and is done one after the other; several of them in a {Pool} work at the same time.
  #
  #   database = EM::ThreadedResource.new { SomeDatabase.connect }
  #   database.dispatch { |connection| connection.query("…") }.callback { |rows| … }
  class ThreadedResource
    # Makes the resource, by the block, here and now, and starts the thread.
    # @yieldreturn [Object] the resource
    # @raise [LocalJumpError] without block
    def initialize
      @resource = yield
      @jobs = ::Queue.new
      @running = true
      @lock = Mutex.new
      @thread = Thread.new { work }
    end

    # Has the block called by the thread, after what was dispatched before. Any thread.
    # @yieldparam resource [Object]
    # @return [Completion] succeeds with what the block returned, fails with the exception that it raised, of whatever class, or
    #   with RuntimeError after {#shutdown}; the callbacks run on the reactor's thread
    # @raise [ArgumentError] without block
    def dispatch(&block)
      raise ArgumentError, "no block given" unless block

      completion = Completion.new
      @lock.synchronize do
        return refuse(completion) unless @running

        @jobs << [block, completion]
      end
      completion
    end

    # Lets the job under way finish, has those behind it fail, and ends the thread. Blocks until then.
    # @return [Thread] which has ended
    def shutdown
      @lock.synchronize do
        @running = false
        @jobs << nil
      end
      @thread.join
    end

    private

    def work
      while @running && (job = @jobs.pop)
        perform(*job)
      end
    ensure
      refuse_what_is_left
    end

    # A job may also end its thread, which is no exception; those behind it fail then.
    def perform(block, completion)
      outcome = [:fail, RuntimeError.new("the job has ended its thread")]
      outcome = [:succeed, block.call(@resource)]
    rescue Exception => e # the thread goes on, whatever a job raises
      outcome = [:fail, e]
    ensure
      completion.public_send(*outcome)
    end

    def refuse_what_is_left
      @lock.synchronize { @running = false }
      until @jobs.empty?
        _, completion = @jobs.pop
        refuse(completion) if completion
      end
    end

    def refuse(completion)
      completion.fail(RuntimeError.new("the resource is shut down"))
      completion
    end
  end
end
