# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

module EventMachine
  module DNS
    # Looks up host names, in the hosts file or by a name server.
    #
    #   EM::DNS::Resolver.resolve("example.com")
    #     .callback { |addresses| puts addresses }
    #     .errback { |reason| warn reason }
    class Resolver
      # The path of the hosts file.
      HOSTS_FILE = "/etc/hosts"
      # The path of the file that names the name servers.
      RESOLV_CONF = "/etc/resolv.conf"

      @nameservers = nil
      @hosts = nil
      @socket = nil

      class << self
        # Overrides the name servers, for instance `["192.0.2.53", "192.0.2.54:5353"]`. nil: resolv.conf is read again.
        # @param servers [Array<String>, String, nil]
        def nameservers=(servers)
          @nameservers = servers && Array(servers)
        end

        # Looks up the IPv4 addresses of a name. What needs no name server has its outcome before this returns: a name
        # in the hosts file, a literal address, and the reserved names under localhost, .invalid and .onion. Must be
        # called while a reactor runs.
        # @param hostname [String]
        # @return [Request] a {Deferrable}
        # @raise [ArgumentError] if the name is not a String
        # @raise [RuntimeError] if no reactor runs
        def resolve(hostname)
          raise ArgumentError, "cannot interpret as DNS name: #{hostname.inspect}" unless hostname.is_a?(String)
          raise "eventmachine not initialized: resolve" unless EventMachine.reactor_running?

          found = known(hostname)
          return Request.new(socket, hostname) unless found

          Request.new(nil, hostname).tap { |it| found.empty? ? it.fail("rcode=3") : it.succeed(found.dup) }
        end

        # @return [Array<String>] the name servers that were set, or those of resolv.conf, which is read once
        def nameservers
          @nameservers ||= read_nameservers
        end

        # @return [String, nil] one of them at random
        def nameserver
          nameservers.sample
        end

        # @return [Hash{String => Array<String>}] the addresses of each name in the hosts file, in lower case; read once
        def hosts
          @hosts ||= read_hosts
        end

        # @return [Socket] shared by all requests of this reactor; a new one if the program has closed it
        # @raise [RuntimeError] if no reactor runs
        def socket
          run = EventMachine.instance_variable_get(:@present_run)
          return @socket if @socket && @run.equal?(run) && @socket.open?

          @socket = Socket.open
          @run = run
          @socket
        end

        # @return [Boolean]
        def windows?
          false
        end

        private

        # @return [Array<String>, nil] addresses; none if there is no such name; nil if a name server must be asked
        def known(hostname)
          name = key_of(hostname)
          return hosts[name] if hosts.key?(name)
          return [hostname] if address?(hostname)

          case name[/[^.]+\z/]
          when "localhost" then ["127.0.0.1"] # RFC 6761
          when "invalid", "onion" then [] # RFC 6761, RFC 7686
          end
        end

        def read_nameservers
          lines_of(RESOLV_CONF).filter_map { |line| line[/\A\s*nameserver\s+(\S+)/, 1] }
        end

        def read_hosts
          lines_of(HOSTS_FILE).each_with_object({}) do |line, found|
            address, *names = line.sub(/#.*/m, "").split
            names.each { |name| (found[key_of(name)] ||= []) << address } if address && address?(address)
          end
        end

        def address?(text)
          Resolv::AddressRegex.match?(in_utf8(text))
        end

        # Names are the same whatever the case of the letters of ASCII.
        def key_of(name)
          in_utf8(name).downcase(:ascii).delete_suffix(".")
        end

        def in_utf8(text)
          text.dup.force_encoding(Encoding::UTF_8).scrub
        end

        # Of a regular file: reading from a FIFO would stop the reactor.
        def lines_of(path)
          return [] unless File.file?(path)

          File.readlines(path, encoding: Encoding::BINARY).map { |line| in_utf8(line) }
        rescue SystemCallError
          []
        end
      end
    end
  end
end
