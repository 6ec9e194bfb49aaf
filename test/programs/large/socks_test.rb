# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# Socks4 and Socks5 with the proxy dante, through which they reach an echo server of the test.

require "programs_helper"

class SocksProgramTest < ProgramTest
  # A port of this machine to which the proxy refuses to connect.
  FORBIDDEN = 7
  # Dante asks the system for user names and passwords; this is the only pair that it finds.
  USER = "ann"
  PASSWORD = "secret"

  # Sends hello through the proxy and records the outcome.
  module Client
    attr_reader :notes

    def initialize(*)
      @notes = []
      super
    end

    def connection_completed
      @notes << :connected_to_proxy
    end

    def post_init
      @notes << :granted
      send_data("hello")
    end

    def receive_data(data)
      @notes << data
      close_connection
    end

    def unbind(reason = nil)
      @notes << [socks_error, socks_error_code, reason]
      EM.stop
    end
  end

  class Client4 < EM::P::Socks4
    include Client
  end

  class Client5 < EM::P::Socks5
    include Client
  end

  GRANTED = [:connected_to_proxy, :granted, "hello", [nil, nil, nil]].freeze

  def test_addresses_and_names
    start_dante("none")
    [Client4, Client5].each do |client|
      assert_equal GRANTED, say_hello(client, "127.0.0.1")
      assert_equal GRANTED, say_hello(client, "localhost")
    end
  end

  def test_ipv6
    skip "this machine has no IPv6" unless Socket.ip_address_list.any?(&:ipv6_loopback?)
    start_dante("none")
    assert_equal GRANTED, say_hello(Client5, "::1", listen: "::1")
  end

  def test_names_without_an_address
    start_dante("none")
    assert_equal [:unknown_host, nil, nil], say_hello(Client4, "name.invalid", 80).last
  end

  def test_refusals_have_codes
    start_dante("none")
    port = closed_port
    assert_equal refusal(:rejected, 91), say_hello(Client4, "127.0.0.1", port)
    assert_equal refusal(:connection_refused, 5), say_hello(Client5, "127.0.0.1", port)
    assert_equal refusal(:not_allowed, 2), say_hello(Client5, "127.0.0.1", FORBIDDEN)
    assert_equal refusal(:host_unreachable, 4), say_hello(Client5, "name.invalid", port)
  end

  def test_a_user_and_a_password
    skip "only root can give dante users of its own" unless Process.uid.zero? && system("unshare", "-m", "true", err: File::NULL)
    start_dante("username", command: method(:with_own_users))
    assert_equal GRANTED, say_hello(Client5, "127.0.0.1", username: USER, password: PASSWORD)
    assert_equal refusal(:authentication_failed, 1), say_hello(Client5, "127.0.0.1", username: USER, password: "wrong")
    assert_equal refusal(:no_acceptable_method, 255), say_hello(Client5, "127.0.0.1")
  end

  private

  def refusal(error, code)
    [:connected_to_proxy, [error, code, nil]]
  end

  # @return [Array] the recorded events
  def say_hello(client, host, port = nil, listen: "127.0.0.1", **options)
    connection = nil
    reactor do
      target = port || port_of(EM.start_server(listen, 0, Echo))
      connection = EM.connect("127.0.0.1", @dante.port, client, host, target, *[options].reject(&:empty?))
    end
    connection.notes
  end

  def start_dante(method, command: ->(_, dante) { dante })
    @dante = start_program do |port, folder|
      file = File.join(folder, "danted.conf")
      File.write(file, configuration(method, port))
      command.call(folder, ["danted", "-f", file, "-p", File.join(folder, "pid")])
    end
  end

  def configuration(method, port)
    <<~CONFIGURATION
      logoutput: stderr
      internal: 127.0.0.1 port = #{port}
      external: 127.0.0.1
      #{'external: ::1' if Socket.ip_address_list.any?(&:ipv6_loopback?)}
      socksmethod: #{method}
      clientmethod: none
      user.privileged: #{Etc.getpwuid.name}
      user.unprivileged: #{Process.uid.zero? ? 'nobody' : Etc.getpwuid.name}
      client pass { from: 0/0 to: 0/0 }
      socks block { from: 0/0 to: 0/0 port = #{FORBIDDEN} }
      socks pass { from: 0/0 to: 0/0 }
    CONFIGURATION
  end

  # In a separate mount namespace, only dante sees other user files of the system.
  def with_own_users(folder, dante)
    passwd = File.join(folder, "passwd")
    shadow = File.join(folder, "shadow")
    File.write(passwd, "#{File.read('/etc/passwd')}\n#{USER}:x:65533:65534::/nonexistent:/bin/false\n")
    File.write(shadow, "#{USER}:#{PASSWORD.crypt('$6$saltsalt')}:19000:0:99999:7:::\n", perm: 0o600)
    script = 'mount --bind "$0" /etc/passwd && mount --bind "$1" /etc/shadow && shift && exec "$@"'
    ["unshare", "-m", "sh", "-c", script, passwd, shadow, *dante]
  end
end
