# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# Nothing. Programs require "em/messages", and so it is there.
