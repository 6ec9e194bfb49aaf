# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "em/deferrable"

module EventMachine
  # A {Deferrable} and nothing more.
  class DefaultDeferrable
    include Deferrable
  end
end
