# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

module EventMachine
  # A process started by {EventMachine.system}.
  class SystemCmd < Connection
    # @param callback [#call, nil] called with the output and the status
    def initialize(callback)
      super
      @callback = callback
      @output = "".b
    end

    # Collects what the program prints.
    # @param data [String]
    def receive_data(data)
      @output << data
    end

    # Calls the callback.
    def unbind
      @callback&.call(@output, get_status)
    end
  end
end
