# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# Peers that use plain blocking sockets, as programs without a reactor do. Sockets created here are closed after the
# test, whatever its result.

module Peers
  # Runs the block, which talks to a server through a blocking socket, in a thread. When the last such thread ends, the
  # reactor stops.
  # @return [Thread] its value is the block's result
  def talk(port)
    @talking = @talking.to_i + 1
    conversation = Thread.new do
      yield peer(port)
    ensure
      EM.next_tick { EM.stop if (@talking -= 1).zero? }
    end
    conversation.report_on_exception = false
    (@conversations ||= []) << conversation
    conversation
  end

  # For code in threads; code in the reactor uses #as_soon_as, which does not block.
  def wait_until
    sleep 0.001 until yield
  end

  # @return [TCPSocket] connected to the port, blocking
  def peer(port)
    ours(TCPSocket.new("127.0.0.1", port))
  end

  # @return [TCPServer] a blocking server on a port that the kernel chose
  def listener
    ours(TCPServer.new("127.0.0.1", 0))
  end

  # @return [Integer] a port on which no process listens, or can start to listen, until the test ends
  def closed_port
    reserve_port(reuse: false)
  end

  # @return [Integer] a port that is reserved for servers of this test until the test ends
  def free_port
    reserve_port(reuse: true)
  end

  # A listener that never accepts, and whose full queue leaves further connection attempts unanswered.
  # @return [Integer] its port
  def unresponsive_port
    socket = ours(Socket.new(:INET, :STREAM))
    socket.bind(Addrinfo.tcp("127.0.0.1", 0))
    socket.listen(0)
    fill_queue(socket.local_address)
    socket.local_address.ip_port
  end

  # Closes the socket so that the other end gets a reset instead of an orderly end.
  def reset(socket)
    socket.setsockopt(Socket::Option.linger(true, 0))
    socket.close
  end

  # @return [String] a path for a Unix-domain socket, in a directory that is removed after the test
  def socket_path(name = "socket")
    @directory ||= Dir.mktmpdir("em")
    File.join(@directory, name)
  end

  # Has the socket closed after the test.
  def ours(io)
    (@ours ||= []) << io
    io
  end

  private

  def reserve_port(reuse:)
    socket = ours(Socket.new(:INET, :STREAM))
    socket.setsockopt(:SOCKET, :REUSEADDR, reuse)
    socket.bind(Addrinfo.tcp("127.0.0.1", 0))
    socket.local_address.ip_port
  end

  def fill_queue(address)
    20.times do
      socket = ours(Socket.new(:INET, :STREAM))
      socket.connect_nonblock(address, exception: false)
      return unless socket.wait_writable(0.2)
    end
    skip "this kernel queues connections beyond the backlog"
  end

  def finish_conversations
    @conversations&.each(&:join)
  end

  def close_peers
    (@conversations || []).each { |conversation| conversation.kill.join(1) } if failures.any?
    (@ours || []).each(&:close)
    FileUtils.remove_entry(@directory) if @directory
  end
end
