# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

module EventMachine
  module Protocols
    # Tries whether somebody accepts TCP connections at an address, and closes the connection at once.
    #
    #   EM::P::TcpConnectTester.test("127.0.0.1", 25).callback { |seconds| puts "after #{seconds} s" }
    #
    # Both outcomes carry how long it took, in seconds (Float).
    class TcpConnectTester < Connection
      include Deferrable

      # @param host [String] as for {EventMachine.connect}
      # @param port [Integer, String]
      # @return [TcpConnectTester] succeeds once the connection is established, fails if it cannot be
      # @raise [ConnectionError] as {EventMachine.connect}
      def self.test(host, port)
        EventMachine.connect(host, port, self)
      end

      # @private
      def post_init
        @started_at = now
      end

      # @private
      def connection_completed
        succeed(now - @started_at)
        close_connection
      end

      # @private
      def unbind(_reason = nil)
        fail(now - @started_at) unless @deferred_status == :succeeded
      end

      private

      def now
        Process.clock_gettime(Process::CLOCK_MONOTONIC)
      end
    end
  end
end
