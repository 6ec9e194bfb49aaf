# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "open3"
require_relative "../../ruby/support/certificates"
require_relative "started_program"

# The server, in a separate directory, with a user for each authentication method.
class PostgresServer
  BINARIES = Dir["/usr/lib/postgresql/*/bin"].max_by { |path| path[/\d+/].to_i }
  ACCOUNT = "postgres"
  PASSWORDS = { "clear" => "clear text", "hashed" => "mädchen", "scram" => "pencil ⅸ\u{A0}x", "wrong" => "right", "secure" => "by TLS only" }.freeze
  SQL = <<~SQL
    set password_encryption = 'md5';
    create role hashed login password 'mädchen';
    create role clear login password 'clear text';
    set password_encryption = 'scram-sha-256';
    create role scram login password 'pencil ⅸ\u{A0}x';
    create role wrong login password 'right';
    create role secure login password 'by TLS only';
  SQL
  ACCESS = <<~ACCESS
    local all all trust
    host all clear 127.0.0.1/32 password
    host all hashed 127.0.0.1/32 md5
    hostssl all secure 127.0.0.1/32 scram-sha-256
    host all scram,wrong 127.0.0.1/32 scram-sha-256
    host all #{ACCOUNT} 127.0.0.1/32 trust
  ACCESS

  attr_reader :port

  def self.running
    @running ||= new.tap { |server| Minitest.after_run { server.stop } }
  end

  def initialize
    socket = TCPServer.new("127.0.0.1", 0)
    @port = socket.local_address.ip_port
    socket.close
    @program = StartedProgram.new(@port, ACCOUNT)
    create
    @program.start({}, ["#{BINARIES}/postgres", "-D", data, "-p", @port.to_s, "-k", @program.directory, *settings])
    # The server listens before it is ready.
    sleep 0.005 until @program.log.include?("ready to accept connections") || @program.ended?
  end

  # @return [String] the path of its Unix-domain socket
  def socket
    File.join(@program.directory, ".s.PGSQL.#{@port}")
  end

  def stop
    @program.signal(:INT)
    @program.finish
  end

  private

  def data
    File.join(@program.directory, "data")
  end

  def settings
    { "listen_addresses" => "127.0.0.1", "fsync" => "off", "max_connections" => "20", "ssl" => "on" }.flat_map { |it| ["-c", it.join("=")] }
  end

  def create
    run("#{BINARIES}/initdb", "-D", data, "-U", ACCOUNT, "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync", "--no-instructions")
    run("#{BINARIES}/postgres", "--single", "-j", "-D", data, "postgres", input: SQL.gsub(";\n", ";\n\n"))
    File.write(File.join(data, "pg_hba.conf"), ACCESS)
    write_secret("server.crt", Certificates.localhost.chain)
    write_secret("server.key", Certificates.localhost.private_key)
  end

  def write_secret(name, content)
    path = File.join(data, name)
    File.write(path, content, perm: 0o600)
    FileUtils.chown(ACCOUNT, nil, path) if Process.uid.zero?
  end

  def run(*command, input: "")
    command = ["setpriv", "--reuid", ACCOUNT, "--regid", Etc.getpwnam(ACCOUNT).gid.to_s, "--init-groups", *command] if Process.uid.zero?
    output, status = Open3.capture2e(*command, stdin_data: input, chdir: @program.directory)
    raise output unless status.success?
  end
end
