# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

module EventMachine
  # 1.x, because the gems built on EventMachine ask for "~> 1.0" or "< 2", and above 1.2.7, the last release of the
  # engine that this one replaces.
  VERSION = "1.4.0"
end
