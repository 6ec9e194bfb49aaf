# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

module EventMachine
  @threadpool = nil
  @threadpool_size = 20
  @threadqueue = nil
  @resultqueue = nil
  @deferred = {}.compare_by_identity # deferred work, until its result is delivered

  class << self
    # How many threads the pool has once it is next created (Integer, 20 by default).
    attr_accessor :threadpool_size

    # @return [Array<Thread>, nil] the pool; nil until {defer} is first used
    attr_reader :threadpool

    # Runs blocking work on a thread of the pool, and delivers its result on the reactor's thread.
    #
    # @param operation [#call, nil] the work, used instead of the block
    # @param callback [#call, nil] called with the result
    # @param errback [#call, nil] called with an exception of any class; without it the exception is raised in the main
    #   thread
    # @raise [ArgumentError] if there is nothing to call, or if callback or errback cannot be called. Whether the
    #   operation can be is found out on its thread
    def defer(operation = nil, callback = nil, errback = nil, &block)
      operation ||= block or raise ArgumentError, "no proc or block given"
      raise ArgumentError, "a callback that cannot be called" unless callback.nil? || callback.respond_to?(:call)
      raise ArgumentError, "an errback that cannot be called" unless errback.nil? || errback.respond_to?(:call)

      spawn_threadpool unless @threadpool
      work = [operation, callback, errback]
      @deferred[work] = true
      @threadqueue << work
    end

    # Whether no deferred work is queued or running, and all results have been delivered.
    def defers_finished?
      return true unless @threadpool

      @threadpool.size == @threadpool_goal && @threadqueue.empty? && @resultqueue.empty? &&
        @threadqueue.num_waiting == @threadpool_goal
    end

    # Creates the pool. {defer} does so when needed.
    # @private
    def spawn_threadpool
      @threadqueue ||= ::Queue.new
      @resultqueue ||= ::Queue.new
      @threadpool_goal = threadpool_size.to_i
      @threadpool = []
      @threadpool << work_in_thread until @threadpool.size >= @threadpool_goal
    end

    # Ends the pool and drops its work, its results and the callables of {next_tick}. Works without a reactor, too.
    def cleanup_machine
      threads = @threadpool || []
      @threadpool = nil
      threads.each(&:kill)
      threads.each { |thread| thread.join(0.01) }
      @threadqueue = nil
      @resultqueue = nil
      @deferred.clear
      @next_tick_queue.clear
    end

    private

    def work_in_thread
      Thread.new(@threadqueue, @resultqueue) do |work, results|
        Thread.current.abort_on_exception = true
        do_work(work, results)
      end
    end

    def do_work(queue, results)
      loop do
        work = queue.pop
        operation, callback, errback = work
        begin
          results << [operation.call, callback, work]
        rescue Exception => e
          unless errback
            @deferred.delete(work)
            raise
          end
          results << [e, errback, work]
        end
        announce_results
      end
    end

    # In a daemon that has taken the reactor over: the threads were its parent's. Work without a result is started
    # again.
    def renew_threadpool
      return unless @threadpool

      results = Array.new(@resultqueue.size) { @resultqueue.pop }
      finished = results.each_with_object({}.compare_by_identity) { |result, works| works[result[2]] = true }
      @threadqueue = ::Queue.new
      @resultqueue = ::Queue.new
      @deferred.each_key { |work| @threadqueue << work unless finished.key?(work) }
      results.each { |result| @resultqueue << result }
      spawn_threadpool
      announce_results unless results.empty?
    end

    # Called by the tick phase once results have been announced.
    def deliver_results
      until @resultqueue.nil? || @resultqueue.empty?
        result, callback, work = @resultqueue.pop
        @deferred.delete(work)
        callback&.call(result)
      end
    ensure
      announce_results unless @resultqueue.nil? || @resultqueue.empty?
    end
  end
end
