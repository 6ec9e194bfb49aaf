# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "em/callback"
require "em/completion"
require "em/queue"

module EventMachine
  # Shares resources, such as connections to a database, among pieces of work: each has one to itself until the
  # deferrable that it returned has its outcome. Work that finds none waits, first come, first served.
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

    # Puts a resource in; work that waits may start with it before this returns.
    # @param resource [Object]
    def add(resource)
      @contents << resource
      requeue(resource)
    end

    # Takes a resource out; what is not in the pool is ignored. One that is in use may finish its work.
    #
    # The pool forgets it when its turn comes. Work that would have had it then goes to the end of those that wait.
    # @param resource [Object] compared by `==`
    # @return [nil]
    def remove(resource)
      @removed.concat([resource] * @contents.count(resource))
      @contents.delete(resource)
      nil
    end

    # @param resource [Object]
    # @return [Boolean] whether it was removed but is still in use or queued
    def removed?(resource)
      @removed.include?(resource)
    end

    # @return [Array] a copy of the list of resources, whether in use or not
    def contents
      @contents.dup
    end

    # Sets what is called when work has failed or raised. The resource is out of the pool then; the callback adds it
    # again, or another one in its place. Without such a callback, failed resources go back to the pool.
    # @param args as for {EventMachine.Callback}
    # @yieldparam resource [Object]
    # @raise [ArgumentError] if there is nothing to call
    def on_error(*args, &block)
      @on_error = EventMachine::Callback(*args, &block)
    end

    # Has work done with a resource: at once if there is one and this is the reactor's thread.
    #
    # The work gets the resource and returns a {Deferrable}, on whose outcome the resource is free again. What it raises
    # counts as its failure and goes on to the caller, or out of the reactor; ArgumentError is raised there if it
    # returns anything else.
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

    # @return [Integer] how many pieces of work wait for a resource
    def num_waiting
      @resources.num_waiting
    end

    protected

    # Makes a resource available.
    def requeue(resource)
      @resources.push(resource)
    end

    # Deals with a resource whose work has failed.
    def failure(resource)
      return requeue(resource) unless @on_error

      forget(resource) || take_out(resource)
      @on_error.call(resource)
    end

    # Has the resource freed by the outcome of its work, the first one if it has several.
    # @param deferrable [Deferrable] what the work has returned
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
