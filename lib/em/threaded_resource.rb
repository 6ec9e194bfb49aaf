# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "em/completion"

module EventMachine
  # Runs jobs with a blocking resource, such as a synchronous database driver, on a dedicated thread. A {Pool} shares
  # several.
  #
  #   database = EM::ThreadedResource.new { Database.open }
  #   database.dispatch { |it| it.query("...") }.callback { |rows| ... }
  class ThreadedResource
    # The job did not run, or did not finish, because the thread has ended.
    class ShutdownError < RuntimeError
      def initialize(message = "the threaded resource has been shut down")
        super
      end
    end

    # Starts the thread.
    # @yieldreturn [Object] the resource; the block runs at once, on the calling thread
    # @raise [LocalJumpError] without a block
    def initialize
      @resource = yield
      @jobs = ::Queue.new
      @thread = Thread.new { work }
    end

    # Queues a job for the thread, behind all earlier ones. Any thread may call this method.
    #
    # The completion's callbacks run in the reactor. It succeeds with the block's result, and fails with the exception,
    # of any class, that the block raised. After {#shutdown}, or in a forked child, where the thread does not exist, the
    # returned completion has already failed with {ShutdownError}.
    # @yieldparam resource [Object]
    # @return [Completion]
    # @raise [ArgumentError] without a block
    def dispatch(&block)
      raise ArgumentError, "no block given" unless block

      completion = Completion.new
      enqueue(block, completion) or completion.fail(ShutdownError.new)
      completion
    end

    # Waits for the current job and ends the thread. Jobs that are still queued fail with {ShutdownError}.
    #
    # Blocks the caller, unless it is called by the job itself.
    # @return [Thread] the resource's thread, which has ended
    def shutdown
      refuse_jobs
      @thread.join unless @thread == Thread.current
      @thread
    end

    private

    def enqueue(block, completion)
      @jobs << [block, completion] if @thread.alive?
    rescue ClosedQueueError
      nil
    end

    def work
      while (job = @jobs.pop)
        perform(*job)
      end
    ensure
      refuse_jobs # even if a job has ended the thread
    end

    def perform(block, completion)
      failure = ShutdownError.new("the job has ended the thread")
      result = block.call(@resource)
      failure = nil
    rescue Exception => failure
      nil
    ensure
      failure ? completion.fail(failure) : completion.succeed(result)
    end

    def refuse_jobs
      @jobs.close
      loop { @jobs.pop(true).last.fail(ShutdownError.new) }
    rescue ThreadError
      nil # The queue is empty.
    end
  end
end
