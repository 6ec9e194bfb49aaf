# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "test_helper"
require "open3"
require "fastfilereaderext"

class MapperTest < ReactorTest
  Mapper = EM::FastFileReader::Mapper

  def with_mapper(content)
    Tempfile.create("mapped", binmode: true) do |file|
      file.write(content)
      file.flush
      mapper = Mapper.new(file.path)
      yield mapper, file
      mapper.close
    end
  end

  def assert_range_error(mapper, start, length)
    error = assert_raises(StandardError) { mapper.get_chunk(start, length) }
    assert_equal [StandardError, "Mapper Range Error"], [error.class, error.message]
  end

  def test_it_is_loaded_by_its_own_name_and_is_a_class
    assert_kind_of Class, EM::FastFileReader
    output, = Open3.capture2e(RbConfig.ruby, "-Ilib", "-e", <<~RUBY)
      require "fastfilereaderext"
      print EventMachine::FastFileReader::Mapper.new(#{__FILE__.inspect}).get_chunk(0, 8)
    RUBY
    assert_equal "# frozen", output
  end

  def test_chunks_are_the_bytes_of_the_file
    content = Random.new(1).bytes(100_000)
    with_mapper(content) do |mapper|
      assert_equal 100_000, mapper.size
      [[0, 100_000], [0, 1], [99_999, 1], [16_384, 16_384], [5, 0], [100_000, 0]].each do |start, length|
        chunk = mapper.get_chunk(start, length)
        assert_equal [content.byteslice(start, length), Encoding::BINARY], [chunk, chunk.encoding]
      end
    end
  end

  def test_a_range_that_the_file_does_not_have_is_an_error
    with_mapper("content") do |mapper|
      [[0, 8], [7, 1], [-1, 1], [0, -1], [8, 0], [2**40, 1], [1, 2**64]].each { |it| assert_range_error(mapper, *it) }
      assert_raises(TypeError) { mapper.get_chunk(nil, 1) }
      assert_equal "content", mapper.get_chunk(0, 7)
    end
  end

  def test_after_close_there_are_no_chunks_but_still_a_size
    with_mapper("content") do |mapper|
      assert_nil mapper.close
      assert_nil mapper.close
      assert_equal 7, mapper.size
      error = assert_raises(StandardError) { mapper.get_chunk(0, 1) }
      assert_equal [StandardError, "No Mapper Chunk"], [error.class, error.message]
    end
  end

  def test_an_empty_file_can_be_mapped
    with_mapper("") do |mapper|
      assert_equal [0, ""], [mapper.size, mapper.get_chunk(0, 0)]
      assert_range_error(mapper, 0, 1)
    end
  end

  def test_what_cannot_be_mapped_raises_its_errno_and_does_not_wait
    Dir.mktmpdir do |directory|
      File.mkfifo(pipe = File.join(directory, "pipe"))
      { "/nonexistent" => Errno::ENOENT, directory => Errno::EISDIR, pipe => Errno::ENODEV,
        "/dev/zero" => Errno::ENODEV }.each { |path, error| assert_raises(error) { Mapper.new(path) } }
    end
    assert_raises(TypeError) { Mapper.new(nil) }
  end

  def test_a_file_that_is_truncated_is_an_error_and_not_the_end_of_the_process
    with_mapper("x" * 100_000) do |mapper, file|
      file.truncate(0)
      assert_range_error(mapper, 0, 1)
      file.truncate(50_000)
      assert_equal "\0" * 50_000, mapper.get_chunk(0, 50_000)
      assert_range_error(mapper, 40_000, 20_000)
      assert_equal 100_000, mapper.size
    end
  end

  def test_a_file_that_is_replaced_keeps_its_old_contents
    with_mapper("old") do |mapper, file|
      File.write("#{file.path}.new", "replaced")
      File.rename("#{file.path}.new", file.path)
      assert_equal "old", mapper.get_chunk(0, 3)
    end
  end

  def test_a_file_of_more_than_two_gigabytes_has_all_of_its_bytes
    with_mapper("") do |_, file|
      file.truncate(3 << 30)
      file.pwrite("the end", (3 << 30) - 7)
      mapper = Mapper.new(file.path)
      assert_equal [3 << 30, "the end"], [mapper.size, mapper.get_chunk((3 << 30) - 7, 7)]
      mapper.close
    end
  end
end
