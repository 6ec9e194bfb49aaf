# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "ipaddr"
require "em/protocols/wire_text"

module EventMachine
  module Protocols
    # Shared by the clients of SOCKS proxies.
    module Socks
      # The target that the proxy connects to.
      class Target
        MAX_NAME_BYTES = 255

        # @return [String] binary
        attr_reader :name
        # @return [String] two bytes
        attr_reader :port
        # @return [String, nil] four or sixteen bytes, if the name is an address
        attr_reader :address

        # @param host [#to_s] a name or an address
        # @param port [Integer, String]
        # @raise [ArgumentError]
        def initialize(host, port)
          @name = WireText.line(host, "the target's host").freeze
          @port = [check_port(port)].pack("n")
          @address = parse(@name)
          return if @address || @name.bytesize.between?(1, MAX_NAME_BYTES)

          raise ArgumentError, "the target's name must have 1 to #{MAX_NAME_BYTES} bytes, not #{@name.bytesize}"
        end

        def ipv4?
          @address&.bytesize == 4
        end

        # Names under localhost mean the loopback interface, whatever the hosts file says (RFC 6761, section 6.3).
        def localhost?
          @name.match?(/(\A|\.)localhost\.?\z/i)
        end

        def ipv6?
          @address&.bytesize == 16
        end

        private

        def check_port(port)
          number = Integer(port, exception: false)
          return number if number&.between?(1, 65_535)

          raise ArgumentError, "the target's port must be a number from 1 to 65535, not #{port.inspect}"
        end

        # Addresses with a prefix length or a zone are refused.
        def parse(text)
          return unless text.include?(":") || text.match?(%r{\A[\d./]+\z})
          raise ArgumentError, "not an address: #{text}" if text.match?(%r{[/%\[]})

          IPAddr.new(text).hton
        rescue IPAddr::Error
          raise ArgumentError, "not an address: #{text}"
        end
      end
    end
    private_constant :Socks
  end
end
