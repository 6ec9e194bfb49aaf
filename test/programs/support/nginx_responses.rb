# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

# nginx for one test. It serves the files in its directory, and the responses that are defined here.
module NginxResponses
  CONFIGURATION = <<~CONFIGURATION
    daemon off;
    master_process off;
    pid nginx.pid;
    error_log stderr warn;
    events { worker_connections 512; }
    http {
      access_log off;
      keepalive_requests 100000;
      client_body_temp_path body;
      proxy_temp_path proxy;
      fastcgi_temp_path fastcgi;
      uwsgi_temp_path uwsgi;
      scgi_temp_path scgi;
      client_max_body_size 64m;
      gzip_types text/plain;
      gzip_min_length 0;
      server {
        listen 127.0.0.1:%<port>d;
        root .;
        location / { }
        location /zipped/ { alias ./; gzip on; }
        location /method { return 200 "$request_method $args"; }
        location /header { return 200 "$http_x_header"; }
        location /agent { return 200 "$http_user_agent"; }
        location /moved { return 302 /hello.txt; }
        location /around { return 302 /around; }
        location /cookie { return 200 "$cookie_c"; }
        location /broken { return 444; }
        location /secret { auth_basic "secret"; auth_basic_user_file users; alias ./hello.txt; }
        location /posted { return 200 "$content_length $content_type"; }
      }
    }
  CONFIGURATION

  # @yieldparam directory [String] the directory that it serves
  # @return [StartedProgram]
  def start_nginx
    start_program do |port, directory|
      File.write(File.join(directory, "nginx.conf"), format(CONFIGURATION, port: port))
      File.write(File.join(directory, "users"), "user:{PLAIN}password\n")
      yield directory if block_given?
      ["/usr/sbin/nginx", "-p", directory, "-c", "nginx.conf", "-e", "stderr"]
    end
  end
end
