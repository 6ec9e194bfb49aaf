# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# The application that test/programs/thin_test.rb serves by thin: one path for each feature that it tests.

# A body that is sent while it is produced.
class SlowBody
  include EventMachine::Deferrable

  def each(&send)
    @send = send
  end

  def write(piece)
    @send.call(piece)
  end
end

# A response that begins now and ends when a timer has fired.
later = lambda do |env|
  body = SlowBody.new
  env["async.callback"].call([200, { "Content-Type" => "text/plain" }, body])
  body.write("begun ")
  EventMachine.add_timer(Float(env["QUERY_STRING"])) do
    body.write("done")
    body.succeed
  end
  throw :async
end

# An application that responds with the block's result.
class Text
  def initialize(&text)
    @text = text
  end

  def call(env)
    body = @text.call(env).to_s
    [200, { "Content-Type" => "text/plain", "Content-Length" => body.bytesize.to_s }, [body]]
  end
end

map("/hello") { run(Text.new { "hello, world" }) }
map("/large") { run(Text.new { |env| "x" * Integer(env["QUERY_STRING"]) }) }
map("/sum") { run(Text.new { |env| env["rack.input"].read.then { |posted| "#{posted.bytesize} #{posted.sum}" } }) }
map("/address") { run(Text.new { |env| env["REMOTE_ADDR"] }) }
map("/pid") { run(Text.new { Process.pid }) }
map("/raise") { run(Text.new { raise "as asked" }) }
map("/later") { run later }

map("/chunked") do
  use Rack::Chunked
  run ->(_) { [200, { "Content-Type" => "text/plain" }, %w[one two three]] }
end
