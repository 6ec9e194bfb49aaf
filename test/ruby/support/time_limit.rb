# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# Limits the time of every test, in two ways. A thread raises in the test when its time is up, which also stops the
# reactor. If native code hangs and holds the VM lock, that has no effect: then a separate process reports which test
# hangs and kills this one.

module TimeLimit
  # A failure that is not a StandardError, so that no error handler sees it and it leaves the reactor.
  class Exceeded < Minitest::Assertion; end

  # The separate process. It is notified when a test begins and ends, and exits with this process.
  class Guardian
    GRACE = 10

    def self.tell(line)
      @guardian = new unless @guardian&.mine?
      @guardian.tell(line)
    end

    def initialize
      @owner = Process.pid
      reader, @writer = IO.pipe
      Process.detach(fork { watch(reader) })
      reader.close
    end

    def mine?
      @owner == Process.pid
    end

    def tell(line)
      @writer.puts(line)
      @writer.flush
    end

    private

    def watch(reader)
      @writer.close
      %w[INT TERM HUP].each { |signal| trap(signal, "IGNORE") }
      limit = nil
      loop do
        kill_owner(limit) unless reader.wait_readable(limit && (limit.to_f + GRACE))
        limit = reader.gets&.chomp or break
        limit = nil if limit.empty?
      end
    ensure
      exit!(0)
    end

    def kill_owner(limit)
      warn "\n#{limit.split(' ', 2).last} hangs in native code and does not even take an exception: killed"
      Process.kill(:KILL, @owner)
    end
  end

  def before_setup
    limit = self.class.time_limit
    test = Thread.current
    Guardian.tell("#{limit} #{self.class}##{name}")
    @time_limit = Thread.new do
      sleep limit
      test.raise(Exceeded, "not finished after #{limit} s")
    end
    super
  end

  def after_teardown
    super
  ensure
    @time_limit.kill.join
    Guardian.tell("")
  end
end
