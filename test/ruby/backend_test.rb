# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# Which backend the reactor runs on, how it is chosen, and what is reported if it is unavailable.

require "test_helper"

class BackendTest < ReactorTest
  ECHO = <<~RUBY
    require "eventmachine"
    ENV["EM_BACKEND"] = ARGV_BACKEND
    EM.run do
      port = EM.get_sockname(EM.start_server("127.0.0.1", 0) { |c| def c.receive_data(data) = send_data(data) })
      port = Socket.unpack_sockaddr_in(port).first
      EM.connect("127.0.0.1", port) do |c|
        c.send_data("to and fro")
        c.define_singleton_method(:receive_data) { |data| puts EM.backend, EM.backend_reason.inspect, data; EM.stop }
      end
    end
  RUBY

  def test_the_backend_has_a_name_and_its_reason_is_a_string_or_nil
    reactor do
      assert_includes %w[uring epoll poll], EM.backend
      reason = EM.backend_reason
      assert(reason.nil? || reason.start_with?("io_uring: "), reason)
      EM.stop
    end
  end

  def test_without_a_reactor_there_is_no_backend
    assert_raises(RuntimeError) { EM.backend }
    assert_raises(RuntimeError) { EM.backend_reason }
  end

  %w[epoll poll].each do |name|
    define_method("test_the_environment_chooses_#{name}") do
      assert_prints(name, "nil", "to and fro", ECHO.sub("ARGV_BACKEND", name.inspect))
    end
  end

  def test_a_name_that_is_unknown_is_an_error
    run = program(<<~RUBY)
      ENV["EM_BACKEND"] = "carrier pigeons"
      begin
        EM.run { EM.stop }
      rescue RuntimeError => error
        puts error.message
      end
    RUBY
    assert_match(/\Aunknown or unavailable backend "carrier pigeons" \(EM_BACKEND\); choices: .*epoll, poll$/, run.output)
    assert_empty run.errors
  end
end
