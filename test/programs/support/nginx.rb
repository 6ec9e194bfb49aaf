# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "socket"
require_relative "started_program"

# An nginx for tests and benchmarks, and the content that it serves.
module Nginx
  # The body of /small and of /hello, which is not a file.
  HELLO = "hello\n"
  # The size of /large in bytes.
  LARGE_BYTES = 10 << 20

  LOCATIONS = <<~TEXT
    location = /hello { return 200 "hello\\n"; }
    location = /nothing { return 204; }
    location = /moved { return 301 /small; }
    location = /posted { return 200 "$request_method $content_type $content_length"; }
    location = /who { return 200 "$http_host $http_user_agent $remote_user $http_cookie"; }
    location /chunked/ { alias root/; ssi on; ssi_types *; }
    location /gzip/ { alias root/; gzip on; gzip_types *; gzip_min_length 1; }
    location /few/ { alias root/; keepalive_requests 500; }
  TEXT
  private_constant :LOCATIONS

  module_function

  # Starts nginx for programs that are not tests.
  # @return [StartedProgram]
  def start
    port = TCPServer.open("127.0.0.1", 0) { |server| server.addr[1] }
    program = StartedProgram.new(port)
    program.start({}, command(port, program.directory))
  end

  # Writes configuration and files.
  # @param ipv6 [Boolean] whether it also listens on [::1]
  # @return [Array<String>] the command that starts it
  def command(port, directory, ipv6: false)
    root = File.join(directory, "root")
    Dir.mkdir(root)
    File.binwrite(File.join(root, "small"), HELLO)
    File.binwrite(File.join(root, "large"), large)
    File.binwrite(File.join(root, "empty"), "")
    File.write(File.join(directory, "nginx.conf"), configuration(port, directory, ipv6))
    File.chmod(0o755, directory)
    [program, "-e", "stderr", "-p", directory, "-c", File.join(directory, "nginx.conf")]
  end

  # On Debian, nginx is not on the PATH of users.
  def program
    debian = "/usr/sbin/nginx"
    File.executable?(debian) ? debian : "nginx"
  end

  # @return [String] content without repetitions, so that a misplaced piece is detected
  def large
    @large ||= Random.new(1).bytes(LARGE_BYTES)
  end

  def configuration(port, directory, ipv6)
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
          #{"listen [::1]:#{port};" if ipv6}
          root #{directory}/root;
          #{LOCATIONS}
        }
      }
    TEXT
  end
end
