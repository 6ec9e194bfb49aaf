# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# Child processes with a deadline, for tests that might end the whole process: exits, signals, forks, low limits.

module Children
  # The output and the exit status of a program.
  Program = Struct.new(:output, :errors, :status)

  LIBRARY = File.dirname($LOADED_FEATURES.grep(%r{/eventmachine\.rb\z}).first)
  SUPPORT = __dir__

  # Runs the block in a forked child.
  # @return the block's result, which Marshal must be able to dump
  def in_child(limit: 20)
    reader, writer = IO.pipe
    pid = fork do
      reader.close
      writer.write(Marshal.dump(answer_of { yield }))
      writer.close
    ensure
      exit!(0)
    end
    writer.close
    kind, answer = answer_from(reader, await_exit(pid, limit, reader))
    flunk "in the child: #{answer}" if kind == :error
    answer
  ensure
    [reader, writer].each { |io| io&.close }
  end

  # Runs a Ruby program that has EventMachine loaded.
  # @param input [IO, String] its standard input
  # @return [Program]
  def program(source, limit: 20, input: File::NULL)
    files = Array.new(2) { Tempfile.new("program") }
    source = "$stdout.sync = true\nrequire 'eventmachine'\n#{source}"
    pid = spawn(RbConfig.ruby, "-I", LIBRARY, "-I", SUPPORT, "-e", source, in: input, out: files[0], err: files[1])
    status = await_exit(pid, limit)
    Program.new(*files.map { |file| File.read(file.path) }, status)
  ensure
    files&.each(&:close!)
  end

  # Runs a program and expects it to print these lines, nothing on standard error, and to succeed.
  def assert_prints(*lines, source, limit: 20, input: File::NULL)
    run = program(source, limit: limit, input: input)
    assert_equal [lines.map { |line| "#{line}\n" }.join, ""], [run.output, run.errors], run.status.inspect
    assert_predicate run.status, :success?, run.status.inspect
  end

  private

  def answer_of
    [:ok, yield]
  rescue Exception => e
    [:error, "#{e.class}: #{e.message}\n  #{e.backtrace.first(8).join("\n  ")}"]
  end

  # @return [Process::Status]
  def await_exit(pid, limit, reader = nil)
    waiter = Process.detach(pid)
    reader&.wait_readable(limit)
    waiter.join(limit) ? waiter.value : flunk("the child did not end within #{limit} s")
  ensure
    Process.kill(:KILL, pid) if waiter.alive?
    waiter.join
  end

  def answer_from(reader, status)
    answer = reader.read
    flunk "the child died: #{status.inspect}" if answer.empty?
    Marshal.load(answer)
  end
end
