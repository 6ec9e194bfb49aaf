# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# Descriptors of the program: a pipe that the reactor reads, and a socket that the program reads itself when the reactor
# says that it can.

require "eventmachine"
require "socket"

# Gets what is written into the pipe.
module PipeReader
  def receive_data(data)
    puts "from the pipe: #{data}"
  end

  def unbind
    puts "the pipe has ended"
  end
end

# Reads the socket itself, as a database client's library would.
class SocketWatcher < EventMachine::Connection
  def initialize(socket)
    super()
    @socket = socket
    self.notify_readable = true
  end

  def notify_readable
    data = @socket.read_nonblock(100, exception: false)
    return if data == :wait_readable
    return puts("from the socket: #{data}") if data

    detach # always before the descriptor is closed
  end

  def unbind
    @socket.close
    puts "the socket has ended"
    EventMachine.stop
  end
end

reader, writer = IO.pipe
mine, theirs = UNIXSocket.pair

EventMachine.run do
  EventMachine.attach(reader, PipeReader)
  EventMachine.watch(mine, SocketWatcher, mine)

  writer.write("hello")
  writer.close
  EventMachine.add_timer(0.05) { theirs.write("hello") }
  EventMachine.add_timer(0.1) { theirs.close }
end
