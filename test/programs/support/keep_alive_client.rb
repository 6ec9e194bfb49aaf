# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

# An HTTP/1.1 client with a blocking socket: it keeps the connection open and sees every byte of a response.
class KeepAliveClient
  # A response; the body is decoded.
  Answer = Struct.new(:status, :headers, :body) do
    def persistent?
      headers["connection"] != "close"
    end
  end

  # @param socket [IO]
  def initialize(socket)
    @socket = socket
  end

  # @return [Answer]
  def get(path)
    request(path)
    answer
  end

  # @return [Answer]
  def post(path, body)
    @socket.write("POST #{path} HTTP/1.1\r\nHost: test\r\nContent-Length: #{body.bytesize}\r\n\r\n", body)
    answer
  end

  # Only sends the request.
  def request(path)
    @socket.write(KeepAliveClient.request(path))
  end

  def self.request(path)
    "GET #{path} HTTP/1.1\r\nHost: test\r\n\r\n"
  end

  # Waits for the response.
  # @return [Answer]
  # @raise [EOFError] if the connection ends instead
  def answer
    status = line[%r{\AHTTP/1\.1 (\d+) }, 1].to_i
    headers = read_headers
    Answer.new(status, headers, read_body(headers))
  end

  private

  def line
    (@socket.gets("\r\n") || raise(EOFError)).chomp("\r\n")
  end

  def read_headers
    headers = {}
    until (header = line).empty?
      name, value = header.split(": ", 2)
      headers[name.downcase] = value
    end
    headers
  end

  def read_body(headers)
    return read_chunks if headers["transfer-encoding"] == "chunked"
    return @socket.read unless headers["content-length"]

    exactly(headers["content-length"].to_i)
  end

  def read_chunks
    body = +""
    until (size = line.hex).zero?
      body << exactly(size)
      line
    end
    line
    body
  end

  def exactly(length)
    body = @socket.read(length)
    raise EOFError if body.to_s.bytesize < length

    body
  end
end
