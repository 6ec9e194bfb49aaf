# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "em/connection"
require "em/deferrable"

module EventMachine
  module Protocols
    # Tests whether something listens at an address: connects, and closes the connection at once.
    #
    # A {Deferrable}: it succeeds when the connection is established and fails otherwise, each with the elapsed seconds
    # (Float). It gives up after `pending_connect_timeout`.
    #
    #   EM::P::TcpConnectTester.test("127.0.0.1", 80).callback { |seconds| ... }.errback { |seconds| ... }
    class TcpConnectTester < Connection
      include Deferrable

      # Starts a test.
      # @param host [String] a name or address
      # @param port [Integer, String]
      # @return [TcpConnectTester]
      # @raise [ConnectionError] see {EventMachine.connect}
      def self.test(host, port)
        EventMachine.connect(host, port, self)
      end

      # Classes that override this call `super`.
      def initialize(*)
        super
        @started = now
      end

      # @private
      def connection_completed
        @connected = true
        close_connection
        succeed(now - @started)
      end

      # @private
      def unbind(_reason = nil)
        fail(now - @started) unless @connected
      end

      private

      def now
        Process.clock_gettime(Process::CLOCK_MONOTONIC)
      end
    end
  end
end
