# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

module EventMachine
  # A child process as a {Deferrable} that succeeds with everything that the process has printed, whatever its status.
  #
  #   EM::DeferrableChildProcess.open("ls -l").callback { |output| puts output }
  class DeferrableChildProcess < Connection
    include Deferrable

    # @param cmd [String, Array<String>] as for {EventMachine.popen}
    # @return [DeferrableChildProcess] of this class, whichever class this is called for
    def self.open(cmd)
      EventMachine.popen(cmd, DeferrableChildProcess)
    end

    def initialize
      super
      @output = "".b
    end

    # Collects what the program prints.
    # @param data [String]
    def receive_data(data)
      @output << data
    end

    # Succeeds with the output.
    def unbind
      succeed(@output)
    end
  end
end
