# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# EM.attach: the reactor takes over pipes, files, terminals and sockets of the program. Connection#detach gives them
# back.

require "test_helper"
require "io/console"
require "pty"

class AttachTest < ReactorTest
  repeat_under_gc_pressure except: [/a_large_text/]

  # Records what it receives, and stops the reactor at its end.
  class Reader < EM::Connection
    attr_reader :received, :reason, :unbinds

    def post_init
      @received = +""
      @unbinds = 0
    end

    def receive_data(data)
      @received << data
    end

    def unbind(reason)
      @reason = reason
      @unbinds += 1
      EM.stop
    end
  end

  # @return [String] what went wrong
  def refusal(error = RuntimeError)
    message = nil
    in_reactor { message = assert_raises(error) { yield }.message }
    message
  end

  def pipe
    ends = IO.pipe
    yield(*ends)
  ensure
    ends.each { |io| io.close unless io.closed? }
  end

  def test_a_pipe_delivers_what_is_written_and_its_end
    pipe do |reader, writer|
      connection = nil
      reactor do
        connection = EM.attach(reader, Reader)
        writer.write("hello")
        writer.close
      end
      assert_equal ["hello", nil, 1], [connection.received, connection.reason, connection.unbinds]
      assert_predicate reader, :closed?
    end
  end

  def test_the_handler_gets_its_arguments_and_the_block_its_connection
    pipe do |reader, writer|
      given = nil
      told = []
      script = { post_init: ->(_) { told << :post_init }, connection_completed: ->(_) { told << :completed },
                 unbind: ->(*) { EM.stop } }
      reactor do
        connection = EM.attach(reader, Scripted, script) { |it| (given = it) && told << :block }
        assert_same given, connection
        writer.close
      end
      assert_equal %i[post_init block], told
    end
  end

  def test_what_is_sent_to_a_pipe_arrives_and_the_io_is_closed_after_unbind
    pipe do |reader, writer|
      closed_in_unbind = nil
      reactor do
        connection = EM.attach(writer, Scripted, unbind: ->(*) { (closed_in_unbind = writer.closed?) || EM.stop })
        assert_equal 5, connection.send_data("hello")
        connection.close_connection_after_writing
      end
      assert_equal [false, true, "hello"], [closed_in_unbind, writer.closed?, reader.read]
    end
  end

  def test_a_large_text_is_sent_however_slowly_it_is_read
    pipe do |reader, writer|
      conversation = nil
      reactor do
        EM.attach(writer, Scripted, unbind: ->(*) { EM.stop }).tap do |connection|
          connection.send_data("x" * 1_000_000)
          connection.close_connection_after_writing
        end
        conversation = Thread.new { reader.read.size }
      end
      assert_equal 1_000_000, conversation.value
    end
  end

  def test_writing_to_a_pipe_whose_reader_has_gone_ends_with_epipe
    pipe do |reader, writer|
      connection = nil
      reader.close
      reactor do
        connection = EM.attach(writer, Reader)
        connection.send_data("in vain")
      end
      assert_equal Errno::EPIPE, connection.reason
    end
  end

  def test_a_regular_file_delivers_its_contents_and_ends
    Tempfile.create("attached") do |file|
      file.write("contents" * 10_000)
      file.rewind
      connection = nil
      reactor { connection = EM.attach(file, Reader) }
      assert_equal ["contents" * 10_000, nil], [connection.received, connection.reason]
    end
  end

  def test_the_master_of_a_terminal_delivers_everything_and_ends_normally
    connection = nil
    master, terminal = PTY.open
    terminal.raw!
    reactor do
      connection = EM.attach(master, Reader)
      terminal.write("output")
      terminal.close
    end
    assert_equal ["output", nil], [connection.received, connection.reason]
  end

  def test_a_socket_is_read_and_written
    mine, theirs = UNIXSocket.pair
    received = nil
    reactor do
      EM.attach(mine, Scripted, receive_data: ->(it, data) { it.send_data(data.upcase) }, unbind: ->(*) { EM.stop })
      talk_over = Thread.new { theirs.write("hello") && (received = theirs.read(5)) && theirs.close }
      as_soon_as(-> { !talk_over.alive? }) { nil }
    end
    assert_equal ["HELLO", true], [received, mine.closed?]
  end

  def test_an_integer_stays_open
    pipe do |reader, writer|
      connection = nil
      reactor do
        connection = EM.attach(reader.fileno, Reader)
        assert_equal reader.fileno, EM.get_file_descriptor(connection.signature)
        writer.close
      end
      assert_nil connection.reason
      refute_predicate reader, :closed?
      assert_nil reader.read_nonblock(1, exception: false)
    end
  end

  def test_its_number_can_be_attached_again_once_it_is_closed_in_unbind
    first, peer = UNIXSocket.pair
    numbers = [first.fileno]
    again = names = nil
    reactor do
      unbind = lambda do |it, _|
        names = [it.get_sockname, it.get_peername]
        first.close
        again = UNIXSocket.pair
        numbers << again[0].fileno
        EM.attach(again[0], Scripted, receive_data: ->(*) { EM.stop })
        again[1].write("x")
      end
      EM.attach(first, Scripted, unbind: unbind)
      peer.close
    end
    assert_equal numbers[0], numbers[1]
    assert_equal [String, String], names.map(&:class)
  ensure
    again&.each { |socket| socket.close unless socket.closed? }
  end

  def test_the_io_is_closed_when_the_reactor_ends
    pipe do |reader, _|
      in_reactor { EM.attach(reader, Reader) }
      assert_predicate reader, :closed?
    end
  end

  def test_an_io_that_the_program_has_closed_in_unbind_is_left_alone
    pipe do |reader, writer|
      reactor do
        EM.attach(reader, Scripted, unbind: ->(*) { reader.close || EM.stop })
        writer.close
      end
      assert_predicate reader, :closed?
    end
  end

  def test_the_program_need_not_keep_a_reference_to_the_io
    reader, writer = IO.pipe
    number = reader.fileno
    connection = nil
    reactor do
      connection = EM.attach(reader, Reader)
      reader = nil
      EM.next_tick { 3.times { GC.start } && writer.write("still there") && writer.close }
    end
    assert_equal "still there", connection.received
    assert_raises(Errno::EBADF) { IO.for_fd(number, autoclose: false).stat }
  end

  def test_a_udp_socket_receives_datagrams_and_answers_and_is_closed_after_unbind
    socket = UDPSocket.new
    socket.bind("127.0.0.1", 0)
    peer = UDPSocket.new
    peer.connect("127.0.0.1", socket.local_address.ip_port)
    %w[one two].each { |text| peer.send(text, 0) }
    received = []
    reactor do
      connection = EM.attach(socket, Scripted, receive_data: lambda { |it, data|
        received << data
        it.send_data(data.upcase)
        it.close_connection_after_writing if received.size == 2
      }, unbind: ->(*) { EM.stop })
      assert_equal socket.fileno, EM.get_file_descriptor(connection.signature)
      assert_raises(RuntimeError) { EM.attach(socket) }
    end
    assert_equal [%w[one two], %w[ONE TWO]], [received, Array.new(2) { peer.recv(10) }]
    assert_predicate socket, :closed?
  ensure
    peer.close
  end

  def test_a_datagram_socket_with_a_fixed_peer_sends_to_it
    ends = UNIXSocket.pair(:DGRAM)
    udp = Array.new(2) { UDPSocket.new.tap { |socket| socket.bind("127.0.0.1", 0) } }
    udp[0].connect("127.0.0.1", udp[1].local_address.ip_port)
    [ends, udp].each do |own, peer|
      in_reactor do
        connection = EM.attach(own)
        assert_equal 3, connection.send_data("one")
        EM.next_tick { connection.close_connection_after_writing }
      end
      assert_equal "one", peer.recv_nonblock(10)
    end
  ensure
    [*ends, *udp].each { |socket| socket.close unless socket.closed? }
  end

  def test_a_datagram_socket_that_is_detached_stays_open
    ends = UNIXSocket.pair(:DGRAM)
    reactor do
      connection = EM.attach(ends[0], Scripted, unbind: ->(*) { EM.stop })
      EM.add_timer(0.001) { assert_equal ends[0].fileno, connection.detach }
    end
    ends[0].send("still open", 0)
    assert_equal "still open", ends[1].recv(20)
  ensure
    ends.each(&:close)
  end

  def test_what_is_not_open_or_no_stream_is_refused
    closed = IO.pipe.each(&:close).then { 987 }
    assert_equal "Bad file descriptor", refusal { EM.attach(closed, Reader) }
    assert_equal "Bad file descriptor", refusal { EM.attach(-1, Reader) }
    assert_equal "Invalid argument", refusal { File.open("/") { |directory| EM.attach(directory, Reader) } }
    assert_equal "Invalid argument", refusal { EM.attach(listener, Reader) }
    assert_includes refusal { EM.attach_io(closed, false) }, "Bad file descriptor"
  end

  def test_a_descriptor_is_attached_once
    pipe do |reader, _|
      message = refusal do
        EM.attach(reader, Reader)
        EM.attach(reader, Reader)
      end
      assert_equal "adding existing descriptor", message
    end
  end

  def test_handlers_for_watches_are_refused
    watcher = Class.new(EM::Connection) { def notify_readable; end }
    private_watcher = Class.new(EM::Connection) { private def notify_readable; end }
    text = "notify_readable/writable with EM.attach is not supported. Use EM.watch(io){ |c| c.notify_readable = true }"
    pipe do |reader, _|
      assert_equal text, refusal(ArgumentError) { EM.attach(reader, watcher) }
      in_reactor { assert_kind_of private_watcher, EM.attach(reader, private_watcher) }
    end
  end

  def test_a_constructor_that_raises_leaves_the_io_open
    pipe do |reader, _|
      failing = Class.new(EM::Connection) { def initialize = raise("no") }
      assert_equal "no", refusal { EM.attach(reader, failing) }
      refute_predicate reader, :closed?
    end
  end

  def test_what_only_sockets_have_is_nil_or_an_error
    pipe do |reader, _|
      in_reactor do
        connection = EM.attach(reader, Reader)
        refute_predicate connection, :watch_only?
        refute_predicate connection, :error?
        assert_equal 0, connection.send_data("x")
        assert_raises(RuntimeError) { connection.get_peername }
        assert_raises(Errno::ENOTSOCK) { connection.get_sock_opt(Socket::SOL_SOCKET, Socket::SO_KEEPALIVE) }
        error = assert_raises(RuntimeError) { connection.notify_readable = true }
        assert_equal "notify_readable must be on 'watch only' connections", error.message
        error = assert_raises(RuntimeError) { connection.notify_writable = true }
        assert_equal "notify_writable must be on 'watch only' connections", error.message
        refute connection.notify_readable?
      end
    end
  end

  def test_pause_and_the_inactivity_timeout_work_for_pipes
    pipe do |reader, writer|
      connection = nil
      reactor do
        connection = EM.attach(reader, Reader)
        assert connection.pause
        writer.write("later")
        EM.add_timer(0.02) do
          assert_empty connection.received
          connection.resume
          connection.comm_inactivity_timeout = 0.02
        end
      end
      assert_equal ["later", Errno::ETIMEDOUT], [connection.received, connection.reason]
    end
  end

  def test_another_thread_may_attach
    pipe do |reader, writer|
      connection = nil
      reactor do
        Thread.new do
          connection = EM.attach(reader, Reader)
          writer.write("from a thread") && writer.close
        end
      end
      assert_equal "from a thread", connection.received
    end
  end

  # Connection#detach

  def test_a_detached_descriptor_stays_open_and_unbind_follows
    pipe do |reader, writer|
      connection = descriptor = in_unbind = nil
      reactor do
        connection = EM.attach(reader, Scripted, unbind: lambda do |it, reason|
          in_unbind = [reason, EM.get_file_descriptor(it.signature)]
          EM.stop
        end)
        EM.add_timer(0.005) do
          descriptor = connection.detach
          assert_equal 0, connection.send_data("x")
          assert_equal "invalid binding to detach", assert_raises(RuntimeError) { connection.detach }.message
        end
      end
      assert_equal [reader.fileno, [nil, -1]], [descriptor, in_unbind]
      writer.write("unread")
      assert_equal "unread", reader.readpartial(10)
      assert_equal "invalid binding to detach", refusal { connection.detach }
    end
  end

  def test_a_connection_of_the_reactor_s_own_can_be_detached
    answer = nil
    reactor do
      port = port_of(EM.start_server("127.0.0.1", 0, Scripted, receive_data: lambda do |it, _|
        socket = BasicSocket.for_fd(it.detach)
        EM.defer(-> { socket.write("by hand") && socket.close }, ->(_) { nil })
      end))
      conversation = talk(port) { |socket| socket.write("x") && (answer = socket.read) }
      as_soon_as(-> { !conversation.alive? }) { EM.stop }
    end
    assert_equal "by hand", answer
  end

  def test_reading_stops_at_once_when_receive_data_detaches
    pipe do |reader, writer|
      received = +""
      reactor do
        EM.attach(reader, Scripted, receive_data: ->(it, data) { (received << data) && it.detach },
                                    unbind: ->(*) { EM.stop })
        EM.next_tick { writer.write("x" * 60_000) }
      end
      rest = reader.read_nonblock(60_000, exception: false)
      assert_equal 60_000, received.size + (rest.is_a?(String) ? rest.size : 0)
    end
  end

  def test_what_was_made_in_the_same_turn_vanishes_without_unbind
    pipe do |reader, _|
      unbinds = 0
      in_reactor { EM.attach(reader, Scripted, unbind: ->(*) { unbinds += 1 }).detach }
      assert_equal 0, unbinds
      refute_predicate reader, :closed?
    end
  end

  def test_a_file_that_is_streamed_to_what_vanishes_fails
    failures = []
    pipe do |_, writer|
      reactor do
        connection = EM.attach(writer)
        Tempfile.create("streamed") do |file|
          file.truncate(1_000_000)
          connection.stream_file_data(file.path).errback { |reason| (failures << reason) && EM.stop }
        end
        connection.detach
      end
    end
    assert_equal ["the connection is closed"], failures
  end

  def test_a_throw_out_of_unbind_closes_the_io_and_fails_what_is_streamed
    failures = []
    pipe do |_, writer|
      Tempfile.create("streamed") do |file|
        file.truncate(1_000_000)
        caught = catch(:out) do
          reactor do
            connection = EM.attach(writer, Scripted, unbind: ->(*) { throw :out, :thrown })
            2.times { connection.stream_file_data(file.path).errback { |reason| failures << reason } }
            connection.close_connection
          end
        end
        assert_equal :thrown, caught
      end
      assert_predicate writer, :closed?
    end
    assert_equal ["the connection is closed"] * 2, failures
  end

  def test_an_object_that_is_frozen_cannot_be_attached_and_leaves_nothing
    frozen = Class.new(EM::Connection) { def post_init = freeze }
    pipe do |reader, writer|
      reactor do
        assert_raises(FrozenError) { EM.attach(reader, frozen) }
        assert_raises(FrozenError) { EM.watch(writer, frozen) }
        as_soon_as(-> { EM.connection_count.zero? }) { EM.stop }
      end
      refute_predicate reader, :closed?
    end
  end

  def test_standard_input_is_left_open_and_gets_its_blocking_mode_back
    pipe do |reader, writer|
      writer.write("typed")
      writer.close
      assert_prints "typed", "false true", <<~RUBY, input: reader
        require "fcntl"
        mode = -> { $stdin.fcntl(Fcntl::F_GETFL) & File::NONBLOCK }
        before = mode.call
        EM.run do
          EM.attach($stdin, Module.new do
            def receive_data(data) = puts(data)
            def unbind = EM.stop
          end)
        end
        puts "\#{$stdin.closed?} \#{mode.call == before}"
      RUBY
    end
  end
end
