# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "em/completion"

module EventMachine
  # Something that blocks, such as a synchronous database driver, on a thread of its own. {Pool} shares several.
  #
  #   database = EM::ThreadedResource.new { Database.open }
  #   database.dispatch { |it| it.query("...") }.callback { |rows| ... }
  class ThreadedResource
    # The job was not done, or not finished, because the thread has ended.
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

    # Queues a job for the thread, behind all earlier ones. Any thread may call it.
    #
    # The callbacks of the completion run in the reactor. It succeeds with what the block returned, and fails with the
    # exception, of whatever class, that the block has raised. After {#shutdown}, or in a forked child, where the thread
    # does not exist, it has failed already, with {ShutdownError}.
    # @yieldparam resource [Object]
    # @return [Completion]
    # @raise [ArgumentError] without a block
    def dispatch(&block)
      raise ArgumentError, "no block given" unless block

      completion = Completion.new
      enqueue(block, completion) or completion.fail(ShutdownError.new)
      completion
    end

    # Waits for the job under way and ends the thread. The jobs behind that one fail with {ShutdownError}.
    #
    # Blocks the caller, unless that is the job itself.
    # @return [Thread] the resource's, which has ended
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
      refuse_jobs # also if a job has ended the thread
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
      nil # There are no more.
    end
  end
end
