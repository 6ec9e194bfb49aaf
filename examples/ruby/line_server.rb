# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# usage: ruby -Ilib examples/ruby/line_server.rb
#
# A store of texts with LineText2 at both ends: "put NAME BYTES" followed by the text, and "get NAME".

require "eventmachine"

class Store < EventMachine::Connection
  include EventMachine::Protocols::LineText2

  LARGEST = 1_000_000

  def initialize(texts)
    @texts = texts
  end

  def receive_line(line)
    case line
    when /\Aput (\w+) (\d{1,7})\z/ then expect_text(Regexp.last_match(1), Regexp.last_match(2).to_i)
    when /\Aget (\w+)\z/ then send_text(@texts.fetch(Regexp.last_match(1), ""))
    else send_data("error what is that?\n")
    end
  end

  def receive_binary_data(text)
    @texts[@name] = text
  end

  # Called for a line of more than 1 MiB; the connection is closed afterwards.
  def receive_error(text)
    send_data("error #{text}\n")
  end

  private

  def expect_text(name, size)
    return send_data("error too large\n") && close_connection_after_writing if size > LARGEST

    @name = name
    size.zero? ? @texts[name] = "" : set_text_mode(size)
  end

  def send_text(text)
    send_data("text #{text.bytesize}\n")
    send_data(text)
  end
end

class Customer < EventMachine::Connection
  include EventMachine::Protocols::LineText2

  def post_init
    poem = "Lines may be\nin texts.\n"
    send_data("put poem #{poem.bytesize}\n#{poem}sing\nget poem\n")
  end

  def receive_line(line)
    puts "line: #{line}"
    set_text_mode(line[/\d+/].to_i) if line.start_with?("text")
  end

  def receive_binary_data(text)
    puts "text: #{text.inspect}"
    close_connection
  end

  def unbind(_reason = nil)
    EventMachine.stop
  end
end

EventMachine.run do
  server = EventMachine.start_server("127.0.0.1", 0, Store, {})
  port, = Socket.unpack_sockaddr_in(EventMachine.get_sockname(server))
  EventMachine.connect("127.0.0.1", port, Customer)
end
