# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "test_helper"

# EventMachine.send_file. For send_file_data and stream_file_data see utilities/.
class SendFileTest < ReactorTest
  def setup
    @log = []
  end

  def with_file(content)
    Tempfile.create("sent", binmode: true) do |file|
      file.write(content)
      file.flush
      yield file.path, file
    end
  end

  def content(size)
    Random.new(size).bytes(size)
  end

  # With a connection to a server that accepts nothing, so that little is taken.
  def reactor_with_silent_peer
    listener = TCPServer.new("127.0.0.1", 0)
    reactor do
      EM.connect("127.0.0.1", listener.local_address.ip_port, Scripted, connection_completed: ->(it) { yield(it) })
    end
  ensure
    listener.close
  end

  def note(deferrable)
    deferrable.callback { |*args| @log << [:ok, *args] }.errback { |*args| @log << [:error, *args] }
  end

  # Returns what a peer receives from a connection until its end.
  def received_from
    received = nil
    reactor do
      port = server(post_init: ->(it) { yield(it) })
      client(port, unbind: ->(it, _) { (received = it.received) && EM.stop })
    end
    received
  end

  def test_a_file_arrives_whole_and_the_deferrable_succeeds_with_its_size
    [0, 1, 16_384, 100_000, 5_000_000].each do |size|
      with_file(content(size)) do |path|
        data = received_from { |it| note(EM.send_file(it, path)).callback { it.close_connection_after_writing } }
        assert_equal content(size), data
      end
    end
    assert_equal [0, 1, 16_384, 100_000, 5_000_000].map { |size| [:ok, size] }, @log
  end

  def test_ranges_are_sent_to_the_byte
    with_file("0123456789") do |path|
      data = received_from do |it|
        EM.send_file(it, path, offset: 7)
        EM.send_file(it, path, length: 2)
        EM.send_file(it, path, offset: 3, length: 4)
        EM.send_file(it, path, offset: 10)
        it.close_connection_after_writing
      end
      assert_equal "789013456", data
    end
  end

  def test_what_is_sent_before_and_after_it_keeps_its_place
    with_file(content(1_000_000)) do |path|
      data = received_from do |it|
        it.send_data("before")
        EM.send_file(it, path)
        it.send_data("after")
        it.close_connection_after_writing
      end
      assert_equal "before".b << content(1_000_000) << "after", data
    end
  end

  def test_an_open_file_may_be_closed_and_removed_at_once_and_keeps_its_position
    with_file(content(1_000_000)) do |_, file|
      file.seek(5)
      data = received_from do |it|
        File.open(file.path) { |mine| EM.send_file(it, mine) }
        EM.send_file(it, file, offset: 999_999)
        File.unlink(file.path)
        it.close_connection_after_writing
      end
      assert_equal content(1_000_000) << content(1_000_000)[-1], data
      assert_equal 5, file.pos
      File.write(file.path, "") # for Tempfile
    end
  end

  # Of a file of 7 bytes: offset and length, and the exception's message.
  RANGES_OUTSIDE = {
    [8, nil] => "offset 8 is not within the file, which has 7 bytes",
    [-1, 1] => "offset -1 is not within the file, which has 7 bytes",
    [2**64, 1] => "offset #{2**64} is not within the file, which has 7 bytes",
    [0, 8] => "8 bytes at offset 0 are not within the file, which has 7 bytes",
    [0, -1] => "negative length: -1"
  }.freeze

  def test_what_cannot_be_sent_raises_and_sends_nothing
    Dir.mktmpdir do |directory|
      File.mkfifo(pipe = File.join(directory, "pipe"))
      with_file("content") do |path|
        data = received_from do |it|
          assert_raises(Errno::ENOENT) { EM.send_file(it, "/nonexistent") }
          [directory, pipe].each do |name|
            error = assert_raises(IOError) { EM.send_file(it, name) }
            assert_equal "not a regular file: #{name}", error.message
          end
          IO.pipe { |reader, _| assert_raises(IOError) { EM.send_file(it, reader) } }
          assert_raises(TypeError) { EM.send_file(it, nil) }
          assert_raises(TypeError) { EM.send_file(it, path, offset: nil) }
          RANGES_OUTSIDE.each do |(offset, length), text|
            error = assert_raises(ArgumentError) { EM.send_file(it, path, offset: offset, length: length) }
            assert_equal text, error.message
          end
          it.close_connection_after_writing
        end
        assert_equal "", data
      end
    end
  end

  def test_a_file_counts_in_the_outbound_data_size_but_takes_no_memory
    with_file("") do |path, file|
      file.truncate(500_000_000)
      reactor_with_silent_peer do |it|
        EM.send_file(it, path)
        @log << it.get_outbound_data_size << EM.stats[:outbox_bytes]
        EM.stop
      end
    end
    assert_equal [500_000_000, 0], @log
  end

  def test_a_connection_that_closes_in_the_middle_fails_with_what_was_sent
    with_file("") do |path, file|
      file.truncate(50_000_000)
      reactor do
        port = server(post_init: ->(it) { note(EM.send_file(it, path)).errback { EM.stop } },
                      unbind: ->(_, _) { @log << :unbind })
        client(port, receive_data: ->(it, _) { it.close_connection })
      end
    end
    assert_equal :error, @log[0][0]
    assert_operator @log[0][2], :<, 50_000_000
  end

  def test_a_connection_that_is_gone_fails_at_once
    with_file("content") do |path|
      reactor do
        port = server(post_init: :close_connection.to_proc)
        client(port, unbind: lambda { |it, _|
          note(EM.send_file(it, path))
          EM.next_tick do
            note(EM.send_file(it, path))
            EM.stop
          end
        })
      end
    end
    assert_equal [[:error, "the connection is closed", 0]] * 2, @log
  end

  def test_a_file_that_becomes_shorter_resets_the_connection
    with_file("") do |path, file|
      file.truncate(50_000_000)
      reason = nil
      reactor do
        port = server(post_init: lambda { |it|
          note(EM.send_file(it, path)).errback { EM.stop }
          EM.next_tick { file.truncate(1_000_000) }
        })
        client(port, unbind: ->(_, why) { reason = why })
      end
      assert_equal [:error, "the file was truncated while it was being sent"], @log[0][0, 2]
      assert_includes [nil, Errno::ECONNRESET], reason
    end
  end

  def test_an_error_in_the_callback_is_raised_out_of_run
    with_file("content") do |path|
      assert_raises(ZeroDivisionError) do
        received_from { |it| EM.send_file(it, path).callback { 1 / 0 } }
      end
    end
  end

  def test_stopping_the_reactor_in_the_middle_fails_it
    with_file("") do |path, file|
      file.truncate(50_000_000)
      reactor_with_silent_peer do |it|
        note(EM.send_file(it, path))
        EM.next_tick { EM.stop }
      end
    end
    assert_equal [[:error, "the connection is closed"]], @log.map { |entry| entry[0, 2] }
  end

  # What its errback does must not replace what is thrown.
  def test_a_throw_in_the_turn_in_which_the_connection_closes_arrives_and_fails_the_file_afterwards
    caught = catch(:out) { close_in_the_middle_and { throw :out, :thrown } }
    assert_equal [:thrown, [[:error, "the connection is closed"]]], [caught, @log.map { |entry| entry[0, 2] }]
  end

  def test_an_error_in_the_turn_in_which_the_connection_closes_arrives_and_fails_the_file_afterwards
    assert_raises(ZeroDivisionError) { close_in_the_middle_and { 1 / 0 } }
    assert_equal [[:error, "the connection is closed"]], @log.map { |entry| entry[0, 2] }
  end

  private

  def close_in_the_middle_and
    with_file("") do |path, file|
      file.truncate(50_000_000)
      reactor_with_silent_peer do |it|
        note(EM.send_file(it, path)).errback { catch(:inner) { Integer("none") rescue throw(:inner) } }
        EM.next_tick do
          it.close_connection
          yield
        end
      end
    end
  end
end
