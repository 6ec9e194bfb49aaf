# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "open3"
require_relative "../../ruby/support/tls_peers"

# For tests of our TLS with programs of others at the other end.
module TLSService
  HTTP = lambda do |it, _|
    next unless it.received.end_with?("\r\n\r\n")

    it.send_data("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n#{'x' * 1_000_000}")
    it.close_connection_after_writing
  end

  # Answers in capitals, and ends the connection with the answer to "quit".
  SHOUT = lambda do |it, data|
    it.send_data(data.upcase)
    it.close_connection_after_writing if it.received.include?("quit\n")
  end

  private

  # @return [String] the path of the root's certificate
  def root
    Certificates.root.cert_file
  end

  # Runs a program while our server serves.
  # @yieldparam port [Integer]
  # @yieldreturn [Array<String>] the command
  # @return [Array(String, Process::Status)] its output
  def with_server(options = localhost, input: "", **script, &command)
    while_serving(-> { tls_server(options, **script) }) { |port| Open3.capture2e(*command.call(port), stdin_data: input) }
  end

  # Starts a server within the reactor, and runs the block in another thread.
  # @return what the block returns
  def while_serving(start)
    result = nil
    reactor do
      port = start.call
      thread = Thread.new do
        result = yield(port)
      ensure
        EM.next_tick { EM.stop }
      end
      (@conversations ||= []) << thread
    end
    result
  end

  # Runs a server of others while the block runs.
  # @param command [Proc] returns it for a port
  # @yieldparam port [Integer]
  # @return what the block returns
  def with_program(command)
    port = free_port
    Open3.popen2e(*command.call(port)) do |input, output, process|
      input.close
      reader = Thread.new { output.read }
      wait_until { open?(port) }
      return yield(port)
    ensure
      Process.kill(:KILL, process.pid)
      reader&.join
    end
  end

  def open?(port)
    TCPSocket.new("127.0.0.1", port).close
    true
  rescue Errno::ECONNREFUSED
    false
  end

  # Skips the test unless the program is installed.
  def need(program)
    found = ENV.fetch("PATH", "").split(File::PATH_SEPARATOR).any? { |it| File.executable?(File.join(it, program)) }
    skip "#{program} is not installed" unless found
  end
end
