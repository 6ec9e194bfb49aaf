# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# usage: ruby -Ilib examples/ruby/header_and_content.rb
#
# A word counter with HeaderAndContentProtocol: requests of header lines and content, several on one connection.

require "eventmachine"

class WordCounter < EventMachine::Protocols::HeaderAndContentProtocol
  def post_init
    self.max_content_bytes = 10_000
  end

  def receive_request(lines, content)
    language = headers_2_hash(lines).fetch(:language, "unknown")
    send_data("#{lines.first}: #{content.split.size} words, language #{language}\n")
  end

  # Called before the connection is closed.
  def receive_error(text)
    send_data("refused: #{text}\n")
  end
end

module Client
  include EventMachine::Protocols::LineProtocol

  REQUESTS = ["count\r\nLanguage: English\r\nContent-Length: 19\r\n\r\nhow many are these?", "count\n\n",
              "count\nContent-Length: 20000\n\n"].freeze

  def post_init
    REQUESTS.each { |request| send_data(request) }
  end

  def receive_line(line)
    puts line
    close_connection if line.start_with?("refused")
  end

  def unbind(_reason = nil)
    EventMachine.stop
  end
end

EventMachine.run do
  server = EventMachine.start_server("127.0.0.1", 0, WordCounter)
  port, = Socket.unpack_sockaddr_in(EventMachine.get_sockname(server))
  EventMachine.connect("127.0.0.1", port, Client)
end
