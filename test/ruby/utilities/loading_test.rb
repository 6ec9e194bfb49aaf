# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause

require "test_helper"
require "open3"

# Programs require parts of the library by these paths, some of them without the rest of it.
class LoadingTest < ReactorTest
  PATHS = {
    "em/completion" => "EventMachine::Completion",
    "em/deferrable" => "EventMachine::DefaultDeferrable",
    "em/deferrable/pool" => "EventMachine::Deferrable::Pool",
    "em/future" => "EventMachine::Deferrable.method(:future)",
    "em/io_streamer" => "EventMachine::IOStreamer",
    "em/pool" => "EventMachine::Pool",
    "em/spawnable" => "EventMachine.method(:spawn)",
    "em/streamer" => "EventMachine::FileStreamer",
    "em/threaded_resource" => "EventMachine::ThreadedResource",
    "em/tick_loop" => "EventMachine.method(:tick_loop)"
  }.freeze

  PROTOCOLS = {
    "header_and_content" => "HeaderAndContentProtocol",
    "httpclient" => "HttpClient",
    "httpclient2" => "HttpClient2",
    "line_and_text" => "LineAndTextProtocol",
    "line_protocol" => "LineProtocol",
    "linetext2" => "LineText2",
    "memcache" => "Memcache",
    "object_protocol" => "ObjectProtocol",
    "postgres3" => "Postgres3",
    "saslauth" => "SASLauth",
    "smtpclient" => "SmtpClient",
    "smtpserver" => "SmtpServer",
    "socks4" => "Socks4",
    "socks5" => "Socks5",
    "stomp" => "Stomp",
    "tcptest" => "TcpConnectTester"
  }.freeze

  DEPRECATION = "EM::Deferrable::Pool is deprecated, please use EM::Pool\n"

  PATHS.each do |path, name|
    define_method("test_#{path.tr('/', '_')}_can_be_loaded_alone") do
      expected = path == "em/deferrable/pool" ? DEPRECATION : ""
      assert_equal ["loaded\n", expected], alone("require '#{path}'; puts 'loaded' if #{name}")
    end
  end

  # Both alone, and as gems do it: after loading the library, when an autoload of the same file may exist.
  PROTOCOLS.each do |file, name|
    define_method("test_#{file}_can_be_loaded_by_its_path") do
      source = "require 'em/protocols/#{file}'; puts 'loaded' if EventMachine::Protocols::#{name}"
      assert_equal ["loaded\n", ""], alone(source)
      assert_equal ["loaded\n", ""], alone("require 'eventmachine'; #{source}")
    end
  end

  def test_loading_the_library_defines_all_names_but_deprecated_ones
    names = PATHS.except("em/deferrable/pool").values.map { |name| name.sub("EventMachine", "EM") }
    assert_equal ["loaded\n", ""], alone("require 'eventmachine'; puts 'loaded' if [#{names.join(',')}].all?")
  end

  def test_deferrables_work_without_the_native_extension
    assert_equal ["[1]\nfalse\n", ""], alone(<<~RUBY)
      require "em/deferrable"
      class Mine; include EventMachine::Deferrable; end
      Mine.new.callback { |*args| p args }.succeed(1)
      p $LOADED_FEATURES.any? { |file| file.include?("rubyeventmachine") }
    RUBY
  end

  private

  # @return [Array(String, String)] the output and the warnings
  def alone(source)
    command = [RbConfig.ruby, "-w", "--enable=frozen-string-literal", "-I", Children::LIBRARY, "-e", source]
    Open3.capture3("timeout", "15", *command).first(2)
  end
end
