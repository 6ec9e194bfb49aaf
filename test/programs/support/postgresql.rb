# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require_relative "started_program"

# PostgreSQL, which takes a second to start: one server for all tests of a process, in a folder of its own, ended with the
# process. User and database are "postgres"; each other user is named after the way in which it has to authenticate, and its
# password is "secret".
module PostgreSQL
  PROGRAMS = Dir["/usr/lib/postgresql/*/bin"].max
  USER = "postgres"
  WAYS = { "scram" => "scram-sha-256", "md5user" => "md5", "clear" => "password", "anybody" => "trust" }.freeze

  class << self
    # @return [Integer]
    def port
      start.port
    end

    # @return [String] the path of its Unix-domain socket
    def socket
      File.join(start.directory, ".s.PGSQL.#{port}")
    end

    private

    def start
      @start ||= StartedProgram.new(free_port, USER).tap do |server|
        Minitest.after_run { server.finish }
        prepare(File.join(server.directory, "data"))
        server.start({}, [File.join(PROGRAMS, "postgres"), "-D", "data", "-p", server.port.to_s, "-k", server.directory,
                          "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"])
        make_users(server)
      end
    end

    def free_port
      TCPServer.open("127.0.0.1", 0) { |socket| socket.local_address.ip_port }
    end

    def prepare(data)
      as_user(File.join(PROGRAMS, "initdb"), "-D", data, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
      rules = WAYS.map { |user, way| "host all #{user} 127.0.0.1/32 #{way}\nlocal all #{user} #{way}\n" }.join
      File.write(File.join(data, "pg_hba.conf"), "#{rules}local all postgres trust\nhost all postgres 127.0.0.1/32 trust\n")
    end

    def make_users(server)
      sql = WAYS.keys.map { |user| "set password_encryption='#{user == 'md5user' ? 'md5' : 'scram-sha-256'}'; create user #{user} password 'secret';" }
      as_user("psql", "-q", "-h", server.directory, "-p", server.port.to_s, "-c", sql.join(" "))
    end

    def as_user(*command)
      command = ["setpriv", "--reuid", USER, "--regid", Etc.getpwnam(USER).gid.to_s, "--init-groups", *command] if Process.uid.zero?
      system(*command, chdir: "/", in: File::NULL, out: File::NULL, exception: true)
    end
  end
end
