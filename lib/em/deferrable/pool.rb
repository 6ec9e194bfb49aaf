# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "em/deferrable"
require "em/pool"

warn "EM::Deferrable::Pool is deprecated, please use EM::Pool"

module EventMachine
  module Deferrable
    # The old name of {EventMachine::Pool}.
    # @deprecated
    Pool = EventMachine::Pool
  end
end
