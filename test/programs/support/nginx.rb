# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "socket"
require_relative "started_program"

# What nginx serves in tests and benchmarks, and an nginx that serves it.
module Nginx
  # The body of /small and, not from a file, of /hello.
  HELLO = "hello\n"
  # How many bytes /large has.
  LARGE_BYTES = 10 << 20

  module_function

  # For programs that are not tests.
  # @return [StartedProgram]
  def start
    port = TCPServer.open("127.0.0.1", 0) { |server| server.addr[1] }
    program = StartedProgram.new(port)
    program.start({}, command(port, program.directory))
  end

  # Writes configuration and files.
  # @param more [String] what else the server block is to contain
  # @return [Array<String>] the command that starts it
  def command(port, directory, more = "")
    root = File.join(directory, "root")
    Dir.mkdir(root)
    File.binwrite(File.join(root, "small"), HELLO)
    File.binwrite(File.join(root, "large"), large)
    File.binwrite(File.join(root, "empty"), "")
    File.write(File.join(directory, "nginx.conf"), configuration(port, directory, more))
    File.chmod(0o755, directory)
    ["nginx", "-e", "stderr", "-p", directory, "-c", File.join(directory, "nginx.conf")]
  end

  # @return [String] which differs everywhere, so that a piece in the wrong place shows
  def large
    @large ||= Random.new(1).bytes(LARGE_BYTES)
  end

  def configuration(port, directory, more)
    temporary = %w[client_body proxy fastcgi uwsgi scgi].map { |name| "#{name}_temp_path #{directory}/#{name};" }
    <<~TEXT
      daemon off;
      worker_processes 1;
      pid #{directory}/nginx.pid;
      error_log stderr warn;
      events { worker_connections 256; }
      http {
        access_log off;
        #{temporary.join("\n  ")}
        keepalive_requests 100000000;
        server {
          listen 127.0.0.1:#{port};
          root #{directory}/root;
          location = /hello { return 200 "hello\\n"; }
          #{more}
        }
      }
    TEXT
  end
end
