# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

module EventMachine
  # A watch of a file or a directory, from {EventMachine.watch_file}. Programs subclass it, or give a module, and define
  # the callbacks they need. Of the methods of {Connection} only `signature` and {#stop_watching} have an effect:
  # nothing can be sent, and nothing is paused or closed.
  class FileWatch < Connection
    # @!attribute [r] path
    #   @return [String] the name as it was given, also after the file was renamed. Set after `post_init`
    attr_reader :path

    # The words that the reactor gives to {#receive_data}, and their callbacks.
    CALLBACKS = { "modified" => :file_modified, "moved" => :file_moved, "deleted" => :file_deleted }.freeze
    private_constant :CALLBACKS

    # Calls the callback of an event. A class that overrides this method must call `super`.
    # @param data [String] "modified", "moved" or "deleted"
    def receive_data(data)
      callback = CALLBACKS[data] and __send__(callback)
    end

    # @!group Callbacks

    # Called when the content has changed; for a directory also when an entry was added, removed or renamed. One save
    # may be reported several times.
    def file_modified
    end

    # Called when the file was renamed or moved within its file system. The watch goes on.
    def file_moved
    end

    # Called when the last name of the file was removed, and the descriptors that were opened by it were closed. The
    # watch has ended then: `unbind` follows.
    def file_deleted
    end

    # @!endgroup

    # Ends the watch. `unbind` is called before this method returns; if another thread than the reactor's calls it, soon
    # afterwards on the reactor's.
    # @return [nil]
    # @raise [InvalidSignature] if it has ended, and for a further watch of a file that was watched already
    def stop_watching
      EventMachine.unwatch_filename(@signature)
    end
  end

  class << self
    # Watches a file or a directory for changes, by inotify(7). Of several watches of one file only the first is served,
    # whatever names it has; the others report nothing.
    #
    # @param filename [String] a symbolic link stands for the file that it leads to now
    # @param handler [Class, Module, nil] see {klass_from_handler}; the base class is {FileWatch}
    # @param args passed to the handler's `initialize`
    # @yieldparam watch [FileWatch] the new object, after its `post_init`
    # @return [FileWatch]
    # @raise [Unsupported] if the file does not exist, or the system refuses. The message says why and names the limit
    #   of inotify that is reached
    # @raise [ArgumentError, TypeError] for an unsuitable handler
    def watch_file(filename, handler = nil, *args, &block)
      klass = klass_from_handler(FileWatch, handler, *args)
      by_other_thread = !reactor_thread?
      signature = watch_filename(filename)
      watch = make_connection(klass, signature, args, { "@path": filename })
      finish_connection(watch, signature, by_other_thread, &block)
    end
    ruby2_keywords :watch_file
  end
end
