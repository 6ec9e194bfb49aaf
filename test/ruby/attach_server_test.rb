# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# EM.attach_server: serving a socket that the user has opened, bound and made to listen.

require "test_helper"

class AttachServerTest < ReactorTest
  repeat_under_gc_pressure

  def echo_of(port)
    conversation = nil
    reactor do
      yield
      conversation = talk(port) { |socket| socket.write("hello") && socket.read(5) }
    end
    conversation.value
  end

  def test_a_socket_of_the_user_is_served
    socket = listener
    assert_equal "hello", echo_of(socket.local_address.ip_port) { EM.attach_server(socket, Echo) }
  end

  def test_a_descriptor_of_the_user_is_served
    socket = listener
    descriptor = socket.dup.tap { |copy| copy.autoclose = false }.fileno
    assert_equal "hello", echo_of(socket.local_address.ip_port) { EM.attach_server(descriptor, Echo) }
  ensure
    close_descriptor(descriptor)
  end

  def test_the_handler_gets_its_arguments_and_the_block_its_connection
    socket = listener
    given = nil
    script = { receive_data: ->(accepted, data) { accepted.send_data(data) } }
    echo = echo_of(socket.local_address.ip_port) { EM.attach_server(socket, Scripted, script) { |it| given = it } }
    assert_equal ["hello", Scripted], [echo, given.class]
  end

  def test_the_user_need_not_keep_a_reference_to_the_socket
    port = nil
    echo = nil
    reactor do
      open = lambda do
        socket = TCPServer.new("127.0.0.1", 0)
        port = socket.local_address.ip_port
        EM.attach_server(socket, Echo)
        nil
      end
      open.call
      3.times { GC.start }
      echo = talk(port) { |socket| socket.write("hello") && socket.read(5) }
    end
    GC.start
    assert_equal "hello", echo.value
  end

  def test_something_that_does_not_listen_is_refused
    reactor do
      [99_999, -1].each do |wrong|
        error = assert_raises(RuntimeError) { EM.attach_server(wrong, Echo) }
        assert_equal "no socket descriptor acceptor", error.message
      end
      EM.stop
    end
  end

  def test_afterwards_the_socket_is_either_closed_or_still_works
    socket = listener
    reactor do
      signature = EM.attach_server(socket, Echo)
      EM.next_tick { EM.stop_server(signature) }
      EM.add_timer(0.02) { EM.stop }
    end
    assert socket.closed? || socket.local_address.ip_port.positive?
  end

  private

  # The interface does not say whether the reactor closes a descriptor that was given as a number.
  def close_descriptor(number)
    IO.for_fd(number).close
  rescue Errno::EBADF
    nil
  end
end
