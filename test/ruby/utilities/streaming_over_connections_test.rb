# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "test_helper"
require "em/io_streamer"
require "stringio"

# FileStreamer, IOStreamer, and the methods of Connection that send files.
class StreamingOverConnectionsTest < ReactorTest
  HUGE = 50_000_000
  SIZES = [0, 10, 16_384, 16_385, 100_000, 1_000_000].freeze

  # Records the data that is sent to it.
  class Recorder
    attr_reader :sent

    def initialize
      @sent = +""
    end

    def send_data(data)
      @sent << data
      data.bytesize
    end
  end

  def content(size)
    Random.new(size).bytes(size)
  end

  def file(content)
    path = File.join(@folder ||= Dir.mktmpdir("em"), "file")
    File.binwrite(path, content)
    path
  end

  # A file larger than the kernel's buffers for a peer that does not read.
  # @return [String] the path of a file of zeros
  def huge_file(bytes = HUGE)
    file("").tap { |path| File.truncate(path, bytes) }
  end

  def after_teardown
    FileUtils.remove_entry(@folder) if @folder
    super
  end

  # @return [String] all data that a client receives from a server whose post_init runs the block
  def served
    received = nil
    reactor do
      port = server(post_init: ->(connection) { yield connection })
      talk(port) { |socket| received = socket.read }
    end
    received
  end

  def chunked(content)
    content.b.scan(/.{1,16384}/mn).map { |piece| "#{piece.bytesize.to_s(16)}\r\n#{piece}\r\n".b }.join + "0\r\n\r\n"
  end

  SIZES.each do |size|
    define_method("test_a_file_of_#{size}_bytes_arrives_whole") do
      path = file(content(size))
      received = served { |connection| connection.stream_file_data(path).callback { connection.close_connection_after_writing } }
      assert_equal content(size), received
    end

    define_method("test_a_file_of_#{size}_bytes_arrives_in_http_chunks") do
      path = file(content(size))
      received = served do |connection|
        connection.stream_file_data(path, http_chunks: true).callback { connection.close_connection_after_writing }
      end
      assert_equal chunked(content(size)), received
    end

    define_method("test_an_io_of_#{size}_bytes_arrives_in_http_chunks") do
      received = served do |connection|
        streamer = EM::IOStreamer.new(connection, StringIO.new(content(size)), http_chunks: true)
        streamer.callback { connection.close_connection_after_writing }
      end
      assert_equal chunked(content(size)), received
    end
  end

  def test_a_small_file_is_sent_before_the_call_returns
    path = file("x" * 16_384)
    done = nil
    served do |connection|
      connection.stream_file_data(path).callback { |*arguments| done = arguments }
      assert_equal [], done
      connection.close_connection_after_writing
    end
  end

  def test_a_missing_file_fails_at_once
    reasons = []
    streamer = EM::FileStreamer.new(Recorder.new, "/nonexistent/file")
    streamer.errback { |reason| reasons << reason }
    assert_equal ["file not found"], reasons
  end

  def test_a_directory_and_a_pipe_are_refused
    recorder = Recorder.new
    path = socket_path("pipe")
    File.mkfifo(path)
    [path, File.dirname(path)].each do |name|
      reasons = []
      EM::FileStreamer.new(recorder, name).errback { |reason| reasons << reason }
      assert_equal ["not a regular file: #{name}"], reasons
    end
    assert_empty recorder.sent
  end

  def test_an_impossible_file_name_is_a_failure
    reasons = []
    EM::FileStreamer.new(Recorder.new, "a\0b").errback { |reason| reasons << reason }
    assert_match(/null byte/, reasons.join)
  end

  def test_a_stream_fails_if_the_peer_disconnects
    path = huge_file
    outcome = nil
    reactor do
      port = server(post_init: lambda do |connection|
        streamer = connection.stream_file_data(path)
        streamer.callback { outcome = :succeeded }
        streamer.errback { |reason| outcome = reason }
      end)
      talk(port) do |socket|
        socket.readpartial(1000)
        reset(socket)
        wait_until { outcome }
      end
    end
    assert_equal "the connection is closed", outcome
  end

  def test_a_peer_that_does_not_read_keeps_the_reactor_idle
    path = huge_file
    done = false
    turns = nil
    reactor do
      port = server(post_init: ->(connection) { connection.stream_file_data(path).callback { done = true } })
      talk(port) do |socket|
        socket.readpartial(1)
        wait_until_asleep
        before = EM.stats[:turns]
        100.times { Thread.pass }
        turns = EM.stats[:turns] - before
        refute done
        assert_equal HUGE - 1, (socket.read(HUGE - 1) || "").bytesize
        wait_until { done }
      end
    end
    assert_operator turns, :<, 50
  end

  def test_two_files_can_be_streamed_in_parallel
    path = file(content(5_000_000))
    received = []
    reactor do
      port = server(post_init: ->(connection) { connection.stream_file_data(path).callback { connection.close_connection_after_writing } })
      2.times { talk(port) { |socket| received << socket.read.bytesize } }
    end
    assert_equal [5_000_000] * 2, received
  end

  def test_several_streams_on_one_connection_all_succeed
    path = file(content(3_000_000))
    done = []
    received = served do |connection|
      3.times do |i|
        source = i == 1 ? EM::IOStreamer.new(connection, StringIO.new(content(3_000_000))) : connection.stream_file_data(path)
        source.callback { (done << i) && done.size == 3 && connection.close_connection_after_writing }
      end
    end
    assert_equal [[0, 1, 2], 9_000_000], [done.sort, received.bytesize]
  end

  def test_several_streams_on_one_connection_all_fail_when_it_ends
    path = huge_file
    reasons = []
    reactor do
      port = server(post_init: lambda do |connection|
        3.times { connection.stream_file_data(path).errback { |reason| reasons << reason } }
      end)
      talk(port) do |socket|
        socket.readpartial(1)
        reset(socket)
        wait_until { reasons.size == 3 }
      end
    end
    assert_equal ["the connection is closed"] * 3, reasons
  end

  def test_the_connection_object_may_be_frozen_while_streaming
    path = file(content(9_000_000))
    outcome = received = nil
    frozen = Class.new(EM::Connection) do
      define_method(:post_init) do
        stream_file_data(path).callback { (outcome = :succeeded) && close_connection_after_writing }
        freeze
      end
    end
    reactor { talk(port_of(EM.start_server("127.0.0.1", 0, frozen))) { |socket| received = socket.read.bytesize } }
    assert_equal [:succeeded, 9_000_000], [outcome, received]
  end

  def test_a_file_that_shrinks_fails
    path = file(content(200_000))
    recorder = Recorder.new
    recorder.define_singleton_method(:send_data) { |data| File.truncate(path, 20_000) && super(data) }
    reasons = []
    EM::FileStreamer.new(recorder, path).errback { |reason| reasons << reason }
    assert_equal ["the file was truncated while it was being sent"], reasons
  end

  def test_the_chunk_size_of_ios_is_a_replaceable_constant
    with_chunk_size(3) do
      recorder = Recorder.new
      EM::IOStreamer.new(recorder, StringIO.new("abcdefgh"), http_chunks: true)
      assert_equal "3\r\nabc\r\n3\r\ndef\r\n2\r\ngh\r\n0\r\n\r\n", recorder.sent
    end
  end

  def test_an_io_that_raises_fails_with_its_exception
    io = StringIO.new("abc")
    io.define_singleton_method(:read) { |*| raise IOError, "broken" }
    errors = []
    EM::IOStreamer.new(Recorder.new, io).errback { |error| errors << error }
    assert_equal [IOError, "broken"], [errors.first.class, errors.first.message]
  end

  def test_an_io_is_left_open
    io = StringIO.new("abc")
    EM::IOStreamer.new(Recorder.new, io)
    refute_predicate io, :closed?
  end

  def test_an_exception_in_a_callback_is_not_a_failure_of_the_stream
    streamer = EM::IOStreamer.allocate
    streamer.callback { raise "of the user's" }
    failed = false
    streamer.errback { failed = true }
    error = assert_raises(RuntimeError) { streamer.send(:initialize, Recorder.new, StringIO.new("abc")) }
    assert_equal "of the user's", error.message
    refute failed
  end

  def test_send_file_data_sends_files_of_up_to_32_kib
    path = file(content(32_768))
    received = served do |connection|
      assert_equal 0, connection.send_file_data(path)
      connection.close_connection_after_writing
    end
    assert_equal content(32_768), received
  end

  def test_send_file_data_raises_for_a_file_that_it_cannot_send
    path = file("x" * 32_769)
    errors = []
    served do |connection|
      errors << assert_raises(RuntimeError) { connection.send_file_data(path) }
      errors << assert_raises(IOError) { connection.send_file_data("/nonexistent/file") }
      errors << assert_raises(IOError) { connection.send_file_data(File.dirname(path)) }
      assert_raises(TypeError) { connection.send_file_data(1) }
      connection.close_connection
    end
    assert_equal ["File too large.  send_file_data() supports files under 32k.",
                  ": /nonexistent/file No such file or directory", ": #{File.dirname(path)} Is a directory"], errors.map(&:message)
  end

  private

  def with_chunk_size(size)
    before = EM::IOStreamer::CHUNK_SIZE
    EM::IOStreamer.send(:remove_const, :CHUNK_SIZE)
    EM::IOStreamer.const_set(:CHUNK_SIZE, size)
    yield
  ensure
    EM::IOStreamer.send(:remove_const, :CHUNK_SIZE)
    EM::IOStreamer.const_set(:CHUNK_SIZE, before)
  end
end
