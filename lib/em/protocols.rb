# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

module EventMachine
  # The home of the protocols that come with EventMachine, and of those that gems add.
  module Protocols
  end

  # The short name that programs use.
  P = Protocols
end
