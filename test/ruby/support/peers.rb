# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# Peers with plain blocking sockets: the reactor must work with programs that know nothing of it. Sockets that are
# created here are closed after the test, even if it fails.

module Peers
  # Runs the block in a thread with a blocking socket that is connected to a server. When the last conversation ends,
  # the reactor stops.
  # @return [Thread] its value is the block's
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

  # For conversations, which must not block the reactor; inside it there is #as_soon_as.
  def wait_until
    sleep 0.001 until yield
  end

  # @return [TCPSocket] connected to the port, blocking
  def peer(port)
    ours(TCPSocket.new("127.0.0.1", port))
  end

  # @return [TCPServer] that listens, blocking, on a port that the kernel chose
  def listener
    ours(TCPServer.new("127.0.0.1", 0))
  end

  # @return [Integer] a port on which no process listens, nor can start to, until the test is over
  def dead_port
    reserve_port(reuse: false)
  end

  # @return [Integer] a port on which only servers that know of it will listen, until the test is over
  def free_port
    reserve_port(reuse: true)
  end

  # A listener that accepts no client and whose queue is full does not even complete the handshake.
  # @return [Integer] its port
  def silent_port
    socket = ours(Socket.new(:INET, :STREAM))
    socket.bind(Addrinfo.tcp("127.0.0.1", 0))
    socket.listen(0)
    fill_queue(socket.local_address)
    socket.local_address.ip_port
  end

  # Closes the socket so that the other end gets a reset instead of an end.
  def reset(socket)
    socket.setsockopt(Socket::Option.linger(true, 0))
    socket.close
  end

  # @return [String] a path for a unix-domain socket, in a directory that goes away with the test
  def socket_path(name = "socket")
    @directory ||= Dir.mktmpdir("em")
    File.join(@directory, name)
  end

  # Closes this after the test.
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
