# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# usage: ruby -Ilib examples/ruby/file_server.rb
#
# A server that answers "NAME FIRST LENGTH" with that range of a file, and a client that gets the end of a file of
# many megabytes. The bytes go from the disk to the network without becoming Strings of the server.

require "eventmachine"
require "tmpdir"

class Server < EventMachine::Connection
  include EventMachine::Protocols::LineText2

  def initialize(directory)
    @directory = directory
  end

  def receive_line(line)
    name, first, length = line.split
    sending = EventMachine.send_file(self, File.join(@directory, File.basename(name)), offset: Integer(first),
                                                                                       length: Integer(length))
    sending.callback { |bytes| puts "sent #{bytes} bytes" }
    sending.errback { |reason, bytes| puts "sent #{bytes} bytes, then: #{reason}" }
  rescue SystemCallError, IOError, ArgumentError, TypeError => e
    send_data("cannot send that: #{e.class}\n")
  ensure
    close_connection_after_writing
  end
end

class Client < EventMachine::Connection
  def initialize(request, done)
    @request = request
    @done = done
    @received = +""
  end

  def connection_completed
    send_data("#{@request}\n")
  end

  def receive_data(data)
    @received << data
  end

  def unbind
    puts "#{@request}: #{@received[-20..].inspect} at the end of #{@received.bytesize} bytes"
    @done.call
  end
end

Dir.mktmpdir do |directory|
  File.open(File.join(directory, "large"), "w") do |file|
    file.truncate(100_000_000)
    file.pwrite("This is the end.\n", 99_999_983)
  end
  EventMachine.run do
    server = EventMachine.start_server("127.0.0.1", 0, Server, directory)
    port, = Socket.unpack_sockaddr_in(EventMachine.get_sockname(server))
    requests = ["large 90000000 10000000", "missing 0 1"]
    left = requests.size
    done = -> { EventMachine.stop if (left -= 1).zero? }
    requests.each { |request| EventMachine.connect("127.0.0.1", port, Client, request, done) }
  end
end
