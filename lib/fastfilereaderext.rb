# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

module EventMachine
  # The namespace of {Mapper}, which is not loaded with EventMachine: `require "fastfilereaderext"`.
  class FastFileReader
    # Random access to the bytes of a file, as in EventMachine 1.x. The file is read, not mapped into memory, so that a
    # file that is truncated by someone else is an error and not the end of the process.
    #
    #   mapper = EventMachine::FastFileReader::Mapper.new("page.html")
    #   mapper.get_chunk(0, mapper.size)
    class Mapper
      # @return [Integer] the size that the file had when it was opened, in bytes; also after {#close}
      attr_reader :size

      # With NONBLOCK, opening a FIFO does not wait for its other end.
      # @param filename [String]
      # @raise [SystemCallError] if it cannot be opened; Errno::EISDIR for a directory, Errno::ENODEV for anything else
      #   that is not a regular file
      def initialize(filename)
        @file = File.open(filename, File::RDONLY | File::NONBLOCK | File::BINARY)
        stat = @file.stat
        @size = stat.size
        return if stat.file?

        @file.close
        raise stat.directory? ? Errno::EISDIR.new(filename) : Errno::ENODEV.new(filename)
      end

      # @param start [Integer] where the bytes begin
      # @param length [Integer] how many
      # @return [String] binary, of exactly this length
      # @raise [StandardError] "Mapper Range Error" if the file does not have all of these bytes, or no longer;
      #   "No Mapper Chunk" after {#close}
      def get_chunk(start, length)
        raise StandardError, "No Mapper Chunk" if @file.closed?

        start = Integer(start)
        length = Integer(length)
        raise StandardError, "Mapper Range Error" if start.negative? || length.negative? || start + length > @size

        read(start, length)
      end

      # Closes the file, which the collector does as well. May be called again.
      # @return [nil]
      def close
        @file.close
      end

      private

      def read(start, length)
        return +"".b if length.zero?

        chunk = @file.pread(length, start)
        chunk << @file.pread(length - chunk.bytesize, start + chunk.bytesize) while chunk.bytesize < length
        chunk
      rescue EOFError
        raise StandardError, "Mapper Range Error"
      end
    end
  end
end
