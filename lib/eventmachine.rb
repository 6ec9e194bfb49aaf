# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

unless defined?(EventMachine.library_type) && EventMachine.library_type == :pure_ruby
  begin
    require "rubyeventmachine"
  rescue LoadError
    warn "Unable to load the EventMachine C extension; to use the pure-ruby reactor, require 'em/pure_ruby'"
    raise
  end
end

require "shellwords"
require "thread"
require "resolv"

require "em/version"
require "em/errors"
require "em/events"
require "em/signature_table"
require "em/buftok"
require "em/callback"
require "em/timers"
require "em/hooks"
require "em/reactor"
require "em/fork"
require "em/ticks"
require "em/threadpool"
require "em/handler"
require "em/connection"
require "em/tls"
require "em/deferrable"
require "em/default_deferrable"
require "em/future"
require "em/queue"
require "em/channel"
require "em/iterator"
require "em/completion"
require "em/pool"
require "em/tick_loop"
require "em/spawnable"
require "em/threaded_resource"
require "em/files"
require "em/streamer"
require "em/protocols"
require "em/servers"
require "em/clients"
require "em/datagrams"
require "em/descriptors"
require "em/proxy"
require "em/file_watch"
require "em/processes"
require "em/system_cmd"
require "em/deferrable_child_process"
require "em/process_watch"
require "em/settings"

# An event loop for network programs: servers, clients and timers, whose callbacks all run on one thread.
#
#   EventMachine.run do
#     EventMachine.start_server("127.0.0.1", 8081, EchoServer)
#   end
#
# Functions that are called while no reactor runs raise RuntimeError ("eventmachine not initialized: …") unless their
# documentation says otherwise.
module EventMachine
  autoload :IOStreamer, "em/io_streamer"
end

# The short name that programs use.
EM = EventMachine unless defined?(EM)
