# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# usage: unshare --net --mount ruby names.rb DIRECTORY
#
# Connects by name and looks up names in a network of its own, which has a loopback interface, a dnsmasq, and the hosts
# file and resolv.conf of the directory. Prints what comes of each name.

require "eventmachine"
require "em/resolver"

DIRECTORY = ARGV.fetch(0)
SIOCSIFFLAGS = 0x8914
UP_AND_RUNNING = 0x41

# The network and its name server.
module Network
  module_function

  def prepare
    UDPSocket.open { |socket| socket.ioctl(SIOCSIFFLAGS, ["lo", UP_AND_RUNNING].pack("a16sx14")) }
    system("mount", "--make-rprivate", "/", exception: true)
    %w[hosts resolv.conf].each do |name|
      system("mount", "--bind", File.join(DIRECTORY, name), File.realpath("/etc/#{name}"), exception: true)
    end
  end

  def start_server
    log = File.join(DIRECTORY, "dnsmasq.log")
    @server = spawn("dnsmasq", "--keep-in-foreground", "--user=root", "--conf-file=/dev/null", "--no-hosts",
                    "--no-resolv", "--listen-address=127.0.0.1", "--bind-interfaces", "--local=/test/",
                    "--address=/good.test/127.0.0.1", "--address=/searched.zone.test/127.0.0.1",
                    "--address=/six.test/::1", "--cname=alias.test,target.test", "--host-record=target.test,127.0.0.1",
                    %i[out err] => log)
    sleep 0.01 until answers?
  end

  def stop_server
    Process.kill(:TERM, @server)
    Process.wait(@server)
  end

  def answers?
    TCPSocket.new("127.0.0.1", 53).close
    true
  rescue SystemCallError
    false
  end
end

# Prints what connecting to a name leads to.
class Client < EM::Connection
  def initialize(name, done)
    super()
    @name = name
    @done = done
  end

  # Programs do this before there is a socket.
  def post_init
    set_sock_opt(Socket::IPPROTO_TCP, Socket::TCP_NODELAY, 1)
  end

  def connection_completed
    puts "#{@name}: connected"
    @connected = true
    close_connection
  end

  def unbind(reason)
    puts "#{@name}: #{reason.inspect}" unless @connected
    @done.call
  end
end

def connect(port, name, &done)
  EM.connect(name, port, Client, name, done)
rescue EM::ConnectionError => e
  puts "#{name}: #{e.class}"
  EM.next_tick(&done)
end

def resolve(name, &done)
  request = EM::DNS::Resolver.resolve(name)
  request.retry_interval = 0.2
  request.callback { |addresses| puts "#{name}: #{addresses.inspect}" }
  request.errback { |reason| puts "#{name}: #{reason}" }
  request.callback(&done)
  request.errback(&done)
end

# One after the other.
def each_in_turn(steps, &done)
  step, *rest = steps
  return done.call unless step

  step.call(proc { each_in_turn(rest, &done) })
end

Network.prepare
Network.start_server
EM.run do
  port = EM.get_sockname(EM.start_server("::", 0)).then { |name| Socket.unpack_sockaddr_in(name).first }
  connecting = %w[localhost from-hosts good.test searched alias.test six.test unknown.test x.invalid]
  steps = connecting.map { |name| ->(done) { connect(port, name, &done) } }
  steps += %w[good.test unknown.test].map { |name| ->(done) { resolve(name, &done) } }
  steps << lambda do |done|
    Network.stop_server
    Network.start_server
    connect(port, "again.good.test", &done)
  end
  each_in_turn(steps) { EM.stop }
end
Network.stop_server
