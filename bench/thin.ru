# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

# The application that thin serves in bench/thin.

run ->(_) { [200, { "Content-Type" => "text/plain", "Content-Length" => "12" }, ["hello, world"]] }
