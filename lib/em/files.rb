# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

module EventMachine
  # The most that {Connection#send_file_data} reads, in bytes.
  SMALL_FILE_BYTES = 32_768
  private_constant :SMALL_FILE_BYTES

  class << self
    # What {Connection#send_file_data} does, by signature.
    # @param signature [Integer]
    # @param filename [String]
    # @return [0]
    # @see Connection#send_file_data
    def send_file_data(signature, filename)
      raise TypeError, "no implicit conversion of #{filename.class} into String" unless filename.respond_to?(:to_str)

      content = read_small_file(filename.to_str)
      send_data(signature, content, content.bytesize) unless content.empty?
      0
    end

    private

    def read_small_file(filename)
      content = File.open(filename, File::RDONLY | File::NONBLOCK | File::BINARY) { |file| file.read(SMALL_FILE_BYTES + 1) || "" }
      return content if content.bytesize <= SMALL_FILE_BYTES

      raise "File too large.  send_file_data() supports files under 32k."
    rescue SystemCallError => e
      raise IOError, ": #{filename} #{e.class.new.message}"
    end
  end
end
