# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

module EventMachine
  class << self
    # Starts a program as a child process, without a shell. What it prints arrives in `receive_data`, and `send_data`
    # sends to its standard input; its standard error is this program's. `unbind` is called when it has ended:
    # {Connection#get_status} returns its status then.
    #
    # When the program closes its output, or {Connection#close_connection} is called, its input ends. If it does not end
    # within 0.5 seconds, it gets SIGTERM, and SIGKILL a second later. None of that blocks the reactor.
    #
    # If the program cannot be executed, the status is that of a program that has exited with 255.
    #
    # @param cmd [String, Array<String>] the program and its arguments; a String is split as a shell does, and otherwise
    #   not interpreted. A program without a slash in its name is looked for in PATH
    # @param handler [Class, Module, nil] see {klass_from_handler}
    # @param args passed to the handler's `initialize`
    # @yieldparam connection [Connection] the new object, after its `post_init`
    # @return [Connection]
    # @raise [RuntimeError] for an empty command or more than 2047 words, and if the system allows no more processes or
    #   descriptors
    # @raise [ArgumentError] for an unmatched quote, a String with a zero byte, an unsuitable handler
    # @raise [TypeError] unless the command is a String or an Array of Strings
    def popen(cmd, handler = nil, *args, &block)
      klass = klass_from_handler(Connection, handler, *args)
      words = split_command(cmd)
      by_other_thread = !reactor_thread?
      signature = invoke_popen(words.first(1) + words)
      connection = make_connection(klass, signature, args)
      finish_connection(connection, signature, by_other_thread, &block)
    end
    ruby2_keywords :popen

    # Starts a program and collects what it prints.
    #
    #   EM.system("ls", "-l") { |output, status| puts output if status.success? }
    #
    # @param cmd [String, Array<String>] as for {popen}, if there are no further arguments
    # @param args [Array<String>] arguments of the program, not split. The last ones may be Procs: the callback, unless
    #   there is a block, and before it one that is called with the connection once the program has been started
    # @yieldparam output [String]
    # @yieldparam status [Process::Status, nil] nil if it was lost, see {Connection#get_status}
    # @return [Integer] the process's number
    # @raise [RuntimeError, ArgumentError, TypeError] as {popen}
    def system(cmd, *args, &callback)
      callback ||= args.pop if args.last.is_a?(Proc)
      init = args.pop if args.last.is_a?(Proc)
      cmd = Array(cmd) + args unless args.empty?
      popen(cmd, SystemCmd, callback) { |connection| init&.call(connection) }.get_pid
    end

    private

    # @return [Array<String>] the caller's Array itself, or the words of a String
    def split_command(cmd)
      words = Array.try_convert(cmd)
      return words if words

      text = String.try_convert(cmd) or raise TypeError, "no implicit conversion of #{cmd.class} into String"
      Shellwords.split(text)
    end

    # For a process that still runs when the reactor has ended, or that SIGKILL did not end: it is this program's now.
    # Takes the same steps as the reactor would. The program does not exit before they have been taken.
    def end_left_process(pid)
      wait_for_left_processes_at_exit unless @left_processes
      @left_processes.select!(&:alive?)
      @left_processes << Thread.new(Process.detach(pid)) do |waiter|
        [[0.5, "TERM"], [1, "KILL"]].each { |seconds, signal| waiter.join(seconds) or Process.kill(signal, pid) }
        waiter.join(5)
      rescue Errno::ESRCH
        nil # it has just ended
      end
    end

    # In a forked child these threads do not run.
    def wait_for_left_processes_at_exit
      @left_processes = []
      at_exit { @left_processes.each(&:join) }
    end
  end

  class Connection
    # @!method get_pid
    #   @return [Integer, nil] the number of the child process, from `initialize` on; nil if there is none

    # @!method get_status
    #   How the child process has ended, in `unbind` and afterwards. nil before that, for a connection that is no
    #   process, and if the status is lost, because the program itself has waited for the process or ignores SIGCHLD.
    #   @return [Process::Status, nil]
  end
end
