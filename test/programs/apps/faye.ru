# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# A faye server within thin, mounted at /faye.

require "faye"

Faye::WebSocket.load_adapter("thin")

use Faye::RackAdapter, mount: "/faye", timeout: 20
run ->(_) { [404, {}, []] }
