# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "em/callback"
require "em/completion"
require "em/queue"

module EventMachine
  # Shares resources, such as database connections, among pieces of work. Each piece of work has a resource to itself
  # until the deferrable that it returned has its outcome. Work that finds no free resource waits: first come, first
  # served.
  #
  #   pool = EM::Pool.new
  #   3.times { pool.add(EM::ThreadedResource.new { Database.open }) }
  #   pool.perform { |database| database.dispatch { |it| it.query("...") } }
  #
  # All methods are for the reactor's thread, except {#perform}, which any thread may call.
  class Pool
    def initialize
      @resources = EventMachine::Queue.new
      @contents = []
      @removed = []
      @on_error = nil
    end

    # Adds a resource. Waiting work may start with it before this method returns.
    # @param resource [Object]
    def add(resource)
      @contents << resource
      requeue(resource)
    end

    # Removes a resource; one that is not in the pool is ignored. A resource in use may finish its work.
    #
    # The resource leaves the pool when it would next be used. The work that would have got it goes to the end of the
    # queue.
    # @param resource [Object] compared by `==`
    # @return [nil]
    def remove(resource)
      @removed.concat([resource] * @contents.count(resource))
      @contents.delete(resource)
      nil
    end

    # @param resource [Object]
    # @return [Boolean] whether the resource was removed but is still in use or queued
    def removed?(resource)
      @removed.include?(resource)
    end

    # @return [Array] a copy of the list of all resources, in use or not
    def contents
      @contents.dup
    end

    # Sets the callback for work that fails or raises. The resource has then left the pool; the callback may add it
    # again, or another one in its place. Without this callback, failed resources return to the pool.
    # @param args as for {EventMachine.Callback}
    # @yieldparam resource [Object]
    # @raise [ArgumentError] if there is nothing to call
    def on_error(*args, &block)
      @on_error = EventMachine::Callback(*args, &block)
    end

    # Performs work with a resource: at once if a resource is free and this is the reactor's thread.
    #
    # The work is called with the resource and returns a {Deferrable}; the resource is free again when that has its
    # outcome. An exception raised by the work counts as its failure and reaches the caller, or leaves the reactor. If
    # the work returns anything but a deferrable, an ArgumentError is raised in the same place.
    # @param args as for {EventMachine.Callback}
    # @yieldparam resource [Object]
    # @yieldreturn [Deferrable]
    # @return [nil]
    # @raise [ArgumentError] if there is nothing to call
    def perform(*args, &block)
      work = EventMachine::Callback(*args, &block)
      @resources.pop { |resource| forget(resource) ? reschedule(work) : process(work, resource) }
    end
    alias reschedule perform

    # @return [Integer] the number of pieces of work that wait for a resource
    def num_waiting
      @resources.num_waiting
    end

    protected

    # Makes a resource available.
    def requeue(resource)
      @resources.push(resource)
    end

    # Handles a resource whose work has failed.
    def failure(resource)
      return requeue(resource) unless @on_error

      forget(resource) || take_out(resource)
      @on_error.call(resource)
    end

    # Frees the resource on the first outcome of its work; later outcomes are ignored.
    # @param deferrable [Deferrable] returned by the work
    def completion(deferrable, resource)
      done = false
      first = -> { !done && done = true }
      deferrable.callback { requeue(resource) if first.call }
      deferrable.errback { failure(resource) if first.call }
    end

    # Starts work with a resource.
    def process(work, resource)
      completion(start(work, resource), resource)
    end

    private

    def start(work, resource)
      deferrable = work.call(resource)
      raise ArgumentError, "deferrable expected from work" unless deferrable.is_a?(Deferrable)

      deferrable
    rescue Exception
      failure(resource)
      raise
    end

    # @return [Boolean] whether it was removed
    def forget(resource)
      index = @removed.index(resource)
      @removed.delete_at(index) if index
      !index.nil?
    end

    def take_out(resource)
      index = @contents.index(resource)
      @contents.delete_at(index) if index
    end
  end
end
