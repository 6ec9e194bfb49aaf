# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "test_helper"
require "stringio"

class StreamerTest < ReactorTest
  SIZES = [0, 1, 10, 16_384, 16_385, 100_000, 1_000_000].freeze

  # An object that takes data and is under back-pressure as often as configured.
  class Sink
    attr_reader :data, :looks

    def initialize(pressures: 0, returns: nil)
      @data = +"".b
      @looks = 0
      @pressures = pressures
      @returns = returns
    end

    attr_accessor :returns

    def send_data(data)
      @data << data
      returns
    end

    def send_file_data(filename)
      @data << File.binread(filename)
    end

    def get_outbound_data_size
      (@looks += 1) <= @pressures ? EM::FileStreamer::BackpressureLevel + 1 : EM::FileStreamer::BackpressureLevel
    end
  end

  # An IO that fails.
  class BrokenIO
    def initialize(at)
      @left = at
    end

    def eof?
      false
    end

    def read(length, _buffer)
      raise IOError, "broken" if (@left -= 1).negative?

      "x" * length
    end
  end

  # A connection that has only send_data.
  SendOnly = Struct.new(:data) do
    def send_data(bytes)
      data << bytes
    end
  end

  def setup
    @log = []
  end

  def with_file(content)
    Tempfile.create("streamed", binmode: true) do |file|
      file.write(content)
      file.flush
      yield file.path, file
    end
  end

  def content(size)
    Random.new(size).bytes(size)
  end

  def chunked(data, piece = 16_384)
    pieces = (0...data.bytesize).step(piece).map { |start| data.byteslice(start, piece) }
    pieces.map { |it| "#{it.bytesize.to_s(16)}\r\n".b << it << "\r\n" }.join << "0\r\n\r\n"
  end

  def note(streamer)
    streamer.callback { |*args| @log << [:ok, *args] }.errback { |*args| @log << [:error, *args] }
  end

  def open_descriptors
    Dir.children("/proc/self/fd").size
  end

  # Returns the data that a peer receives from the streamer of the block, after which its connection is closed.
  def received_from
    received = nil
    reactor do
      port = server(post_init: ->(it) { yield(it).callback { it.close_connection_after_writing } })
      client(port, unbind: ->(it, _) { (received = it.received) && EM.stop })
    end
    received
  end

  SIZES.each do |size|
    define_method("test_a_file_of_#{size}_bytes_arrives") do
      with_file(content(size)) do |path|
        assert_equal content(size), received_from { |it| it.stream_file_data(path) }
        assert_equal chunked(content(size)), received_from { |it| it.stream_file_data(path, http_chunks: true) }
      end
    end

    define_method("test_an_io_of_#{size}_bytes_arrives") do
      assert_equal content(size), received_from { |it| EM::IOStreamer.new(it, StringIO.new(content(size))) }
      assert_equal chunked(content(size)),
                   received_from { |it| EM::IOStreamer.new(it, StringIO.new(content(size)), http_chunks: true) }
    end

    define_method("test_streaming_#{size}_bytes_is_over_at_once_without_pressure") do
      with_file(content(size)) do |path|
        sinks = [Sink.new, Sink.new]
        note(EM::FileStreamer.new(sinks[0], path))
        note(EM::IOStreamer.new(sinks[1], File.open(path, &:read).then { |data| StringIO.new(data) }))
        assert_equal [content(size)] * 2, sinks.map(&:data)
        assert_equal [[:ok]] * 2, @log
      end
    end
  end

  def test_the_constants_have_their_documented_values
    assert_equal [16_384, 50_000, 16_384, 16_384],
                 [EM::FileStreamer::MappingThreshold, EM::FileStreamer::BackpressureLevel, EM::FileStreamer::ChunkSize,
                  EM::IOStreamer::CHUNK_SIZE]
  end

  def test_chunks_have_lower_case_sizes
    sink = Sink.new
    with_file("x" * 100_000) { |path| EM::FileStreamer.new(sink, path, http_chunks: true) }
    assert_equal %w[4000 4000 4000 4000 4000 4000 6a0 0], sink.data.scan(/^(\h+)\r\n/).flatten
  end

  def test_a_small_file_is_sent_despite_back_pressure
    sink = Sink.new(pressures: 1000)
    with_file("small") { |path| note(EM::FileStreamer.new(sink, path)) }
    assert_equal ["small", [[:ok]]], [sink.data, @log]
  end

  def test_under_back_pressure_it_continues_in_a_later_turn
    sinks = [Sink.new(pressures: 4), Sink.new(pressures: 4)]
    with_file(content(100_000)) do |path|
      reactor do
        note(EM::FileStreamer.new(sinks[0], path))
        note(EM::IOStreamer.new(sinks[1], StringIO.new(content(100_000))))
        assert_equal ["", ""], sinks.map(&:data)
        as_soon_as(-> { @log.size == 2 }) { EM.stop }
      end
    end
    assert_equal [content(100_000)] * 2, sinks.map(&:data)
    assert_equal [[:ok]] * 2, @log
  end

  def test_a_slow_peer_causes_neither_busy_waiting_nor_growing_buffers
    turns = largest = 0
    with_file("x" * 10_000_000) do |path|
      reactor do
        EM.connect("127.0.0.1", silent_listener, Scripted, connection_completed: lambda { |it|
          it.stream_file_data(path).errback { EM.stop }
          EM.add_periodic_timer(0.001) { largest = [largest, it.get_outbound_data_size].max }
          turns_during_ticks(200) { |count| (turns = count) && it.close_connection }
        })
      end
    end
    assert_operator turns, :<, 600
    assert_operator largest, :<=, 50_000 + 16_384
  end

  def test_a_file_that_is_missing_is_reported_as_not_found
    %w[/nonexistent /etc/passwd/below].each { |path| note(EM::FileStreamer.new(Sink.new, path)) }
    assert_equal [[:error, "file not found"]] * 2, @log
  end

  def test_anything_but_a_regular_file_is_a_failure
    Dir.mktmpdir do |directory|
      File.mkfifo(pipe = File.join(directory, "pipe"))
      [directory, pipe, "/dev/zero"].each { |path| note(EM::FileStreamer.new(Sink.new, path)) }
      assert_equal [directory, pipe, "/dev/zero"].map { |path| [:error, "not a regular file: #{path}"] }, @log
    end
  end

  def test_an_unreadable_file_is_a_failure
    with_file("secret") do |path|
      File.chmod(0, path)
      log = in_child do
        Process::Sys.setuid(65_534) if Process.uid.zero? # The superuser may read anything.
        note(EM::FileStreamer.new(Sink.new, path))
        @log
      end
      assert_match(/\APermission denied.*#{path}/, log[0][1])
    end
  end

  def test_a_file_that_is_truncated_while_it_is_sent_is_a_failure
    sink = Sink.new(pressures: 0)
    with_file(content(100_000)) do |path, file|
      sink.define_singleton_method(:send_data) { |data| super(data).tap { file.truncate(20_000) } }
      note(EM::FileStreamer.new(sink, path))
    end
    assert_equal [[:error, "the file was truncated while it was being sent"]], @log
    assert_equal content(100_000).byteslice(0, 20_000), sink.data
  end

  def test_data_appended_while_the_file_is_sent_is_not_sent
    sink = Sink.new
    with_file(content(40_000)) do |path, file|
      sink.define_singleton_method(:send_data) { |data| super(data).tap { file.write("more") && file.flush } }
      note(EM::FileStreamer.new(sink, path))
    end
    assert_equal [content(40_000), [[:ok]]], [sink.data, @log]
  end

  def test_a_connection_that_takes_nothing_is_a_failure
    [0, -1].each do |nothing|
      with_file(content(100_000)) do |path|
        note(EM::FileStreamer.new(Sink.new(returns: nothing), path))
        note(EM::FileStreamer.new(Sink.new(returns: nothing), path, http_chunks: true))
        note(EM::IOStreamer.new(Sink.new(returns: nothing), StringIO.new("data")))
      end
    end
    assert_equal [[:error, "the connection is closed"]] * 6, @log
  end

  def test_an_empty_stream_cannot_be_ended_on_a_closed_connection
    note(EM::IOStreamer.new(Sink.new(returns: -1), StringIO.new(""), http_chunks: true))
    assert_equal [[:error, "the connection is closed"]], @log
  end

  def test_a_connection_that_closes_while_sending_is_a_failure
    with_file("x" * 10_000_000) do |path|
      reactor do
        port = server(post_init: ->(it) { note(it.stream_file_data(path)).errback { EM.stop } },
                      unbind: ->(_, _) { @log << :unbind })
        client(port, receive_data: ->(it, _) { it.close_connection })
      end
    end
    assert_equal [:unbind, [:error, "the connection is closed"]], @log
  end

  def test_a_connection_that_the_program_closes_while_sending_is_a_failure
    with_file("x" * 10_000_000) do |path|
      reactor do
        port = server(post_init: lambda { |it|
          it.close_connection
          note(it.stream_file_data(path))
        }, unbind: ->(*) { EM.stop })
        client(port)
      end
    end
    assert_equal [[:error, "the connection is closed"]], @log
  end

  def test_files_are_closed_whatever_the_outcome
    before = open_descriptors
    with_file(content(100_000)) do |path|
      EM::FileStreamer.new(Sink.new, path)
      EM::FileStreamer.new(Sink.new, "/tmp")
      EM::FileStreamer.new(Sink.new(returns: -1), path)
      assert_equal before + 1, open_descriptors
    end
  end

  def test_an_io_that_fails_is_a_failure_with_its_exception
    note(EM::IOStreamer.new(sink = Sink.new, BrokenIO.new(2)))
    note(EM::IOStreamer.new(Sink.new, File.open(File::NULL).tap(&:close)))
    assert_equal [:error, IOError, "broken"], [@log[0][0], @log[0][1].class, @log[0][1].message]
    assert_equal [:error, IOError], [@log[1][0], @log[1][1].class]
    assert_equal 2 * 16_384, sink.data.bytesize
  end

  def test_an_exception_of_the_connection_is_not_a_failure_of_the_io
    sink = Sink.new
    sink.define_singleton_method(:send_data) { |_| raise IOError, "mine" }
    assert_raises(IOError) { EM::IOStreamer.new(sink, StringIO.new("data")) }
    with_file("data") { |path| assert_raises(IOError) { EM::FileStreamer.new(sink, path) } }
  end

  def test_an_io_is_not_closed_and_a_connection_need_only_send
    io = StringIO.new("text")
    connection = SendOnly.new(+"")
    note(EM::IOStreamer.new(connection, io))
    assert_equal ["text", false, [[:ok]]], [connection.data, io.closed?, @log]
  end

  def test_an_io_may_end_early
    [nil, ""].each do |nothing|
      io = StringIO.new("")
      io.define_singleton_method(:eof?) { false }
      io.define_singleton_method(:read) { |*| nothing }
      note(EM::IOStreamer.new(sink = Sink.new, io, http_chunks: true))
      assert_equal "0\r\n\r\n", sink.data
    end
    assert_equal [[:ok]] * 2, @log
  end

  def test_text_is_counted_in_bytes
    EM::IOStreamer.new(sink = Sink.new, StringIO.new("äöü"), http_chunks: true)
    assert_equal "6\r\näöü\r\n0\r\n\r\n".b, sink.data
  end

  def test_the_chunk_size_of_ios_may_be_changed
    replace_constant(EM::IOStreamer, :CHUNK_SIZE, 3) do
      EM::IOStreamer.new(sink = Sink.new, StringIO.new("abcdefgh"), http_chunks: true)
      assert_equal chunked("abcdefgh", 3), sink.data
    end
  end

  def test_a_small_file_is_sent_by_send_file_data
    with_file(content(32_768)) do |path|
      received = received_from do |it|
        it.send_data("<")
        assert_equal 0, it.send_file_data(path)
        it.send_data(">")
        EM::DefaultDeferrable.new.tap(&:succeed)
      end
      assert_equal "<".b << content(32_768) << ">", received
    end
  end

  def test_send_file_data_raises_for_a_file_that_it_cannot_send
    errors = nil
    with_file("x" * 32_769) do |path|
      assert_equal "", (received_from do |it|
        errors = [path, "/nonexistent", "/tmp", "/dev/zero"].map { |bad| error_of { it.send_file_data(bad) } }
        errors << error_of { it.send_file_data(nil) }.first
        EM::DefaultDeferrable.new.tap(&:succeed)
      end)
    end
    assert_equal [[RuntimeError, "File too large.  send_file_data() supports files under 32k."],
                  [IOError, ": /nonexistent No such file or directory"], [IOError, ": /tmp Is a directory"],
                  [IOError, ": /dev/zero Not a regular file"], TypeError], errors
  end

  def test_send_file_data_does_not_wait_for_the_other_end_of_a_pipe
    Dir.mktmpdir do |directory|
      File.mkfifo(pipe = File.join(directory, "pipe"))
      assert_equal [IOError, ": #{pipe} Not a regular file"], error_of { EM.send_file_data(0, pipe) }
    end
  end

  def test_send_file_data_on_a_closed_connection_is_harmless
    with_file("text") do |path|
      reactor do
        port = server(unbind: ->(it, _) { (@log << it.send_file_data(path)) && EM.stop })
        client(port, connection_completed: ->(it) { it.close_connection })
      end
    end
    assert_equal [0], @log
  end

  private

  def error_of
    yield
    nil
  rescue StandardError => e
    [e.class, e.message]
  end

  def replace_constant(owner, name, value)
    before = owner.send(:remove_const, name)
    owner.const_set(name, value)
    yield
  ensure
    owner.send(:remove_const, name)
    owner.const_set(name, before)
  end

  # Returns the number of reactor turns during this many timer ticks, once the reactor is idle.
  def turns_during_ticks(ticks)
    count = -100
    before = nil
    EM::PeriodicTimer.new(0.001) do
      count += 1
      before = EM.stats[:turns] if count.zero?
      yield EM.stats[:turns] - before if count == ticks
    end
  end

  # A server that accepts and never reads.
  # @return [Integer] the port
  def silent_listener
    ours(TCPServer.new("127.0.0.1", 0)).local_address.ip_port
  end
end
