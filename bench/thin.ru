# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

# What bench/thin has thin serve.

run ->(_) { [200, { "Content-Type" => "text/plain", "Content-Length" => "12" }, ["hello, world"]] }
