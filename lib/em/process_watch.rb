# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

module EventMachine
  # A watch of a process, from {EventMachine.watch_process}. Programs subclass it, or give a module, and define the
  # callbacks they need. Of the methods of {Connection} only `signature` and {#stop_watching} have an effect.
  class ProcessWatch < Connection
    # @!attribute [r] pid
    #   @return [Integer] the process's number. Set after `post_init`
    attr_reader :pid

    # The words that the reactor gives to {#receive_data}, and their callbacks.
    CALLBACKS = { "fork" => :process_forked, "exit" => :process_exited }.freeze
    private_constant :CALLBACKS

    # Calls the callback of an event. A class that overrides this method must call `super`.
    # @param data [String] "fork" or "exit"
    def receive_data(data)
      callback = CALLBACKS[data] and __send__(callback)
    end

    # @!group Callbacks

    # Never called: no system that this library runs on reports it.
    def process_forked
    end

    # Called when the process has ended. The watch has ended then: `unbind` follows.
    def process_exited
    end

    # @!endgroup

    # Ends the watch. `unbind` is called before this method returns; if another thread than the reactor's calls it, soon
    # afterwards on the reactor's.
    # @return [nil]
    # @raise [InvalidSignature] if it has ended
    def stop_watching
      EventMachine.unwatch_pid(@signature)
    end
  end

  class << self
    # Reports when a process ends, a child of this program or not. A child is not waited for: Process.wait still returns
    # its status. (1.x supported this on systems with kqueue only.)
    #
    # @param pid [#to_i]
    # @param handler [Class, Module, nil] see {klass_from_handler}; the base class is {ProcessWatch}
    # @param args passed to the handler's `initialize`
    # @yieldparam watch [ProcessWatch] the new object, after its `post_init`
    # @return [ProcessWatch]
    # @raise [Unsupported] if there is no such process
    # @raise [ArgumentError, TypeError] for an unsuitable handler
    def watch_process(pid, handler = nil, *args, &block)
      pid = pid.to_i
      klass = klass_from_handler(ProcessWatch, handler, *args)
      by_other_thread = !reactor_thread?
      signature = watch_pid(pid)
      watch = make_connection(klass, signature, args, { "@pid": pid })
      finish_connection(watch, signature, by_other_thread, &block)
    end
    ruby2_keywords :watch_process
  end
end
