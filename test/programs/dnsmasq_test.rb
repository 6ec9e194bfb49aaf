# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require_relative "programs_helper"

# Names by dnsmasq, in a network namespace with a hosts file and a resolv.conf of its own.
class DnsmasqTest < ProgramTest
  EXPECTED = <<~LINES
    localhost: connected
    from-hosts: connected
    good.test: connected
    searched: connected
    alias.test: connected
    six.test: connected
    unknown.test: Errno::EHOSTUNREACH
    x.invalid: EventMachine::ConnectionError
    good.test: ["127.0.0.1"]
    unknown.test: rcode=3
    again.good.test: connected
  LINES

  def setup
    super
    skip "dnsmasq is not installed" unless find("dnsmasq")
    skip "this user may not make network namespaces" unless system(*namespace, "true", %i[out err] => File::NULL)
  end

  def find(program)
    [*ENV["PATH"].split(":"), "/usr/sbin"].any? { |folder| File.executable?(File.join(folder, program)) }
  end

  def namespace
    ["unshare", "--net", "--mount", *("--map-root-user" unless Process.uid.zero?)]
  end

  def test_names_lead_to_connections
    expect_connections({})
  end

  def test_names_lead_to_connections_also_with_the_resolver_of_the_system
    expect_connections({ "EM_RESOLVER" => "system" })
  end

  def expect_connections(environment)
    Dir.mktmpdir do |directory|
      File.write(File.join(directory, "hosts"), "127.0.0.1 other FROM-hosts\n")
      File.write(File.join(directory, "resolv.conf"), "search zone.test\nnameserver 127.0.0.1\noptions timeout:1\n")
      output = IO.popen([environment, *namespace, *ruby_app("names", directory)], err: %i[child out], &:read)
      assert_equal EXPECTED, output.lines[0...-1].join, output
    end
  end
end
