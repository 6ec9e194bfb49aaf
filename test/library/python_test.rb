# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# Python programs read the headers as they are, by cffi, and call the library: the examples, and what their loader
# promises.

require_relative "library_helper"

class PythonTest < LibraryTest
  EXAMPLES = File.join(ROOT, "examples/python")
  PYTHON = "/usr/bin/python3"
  # No compiled files are left beside the examples, and every warning is an error.
  ENVIRONMENT = { "PYTHONDONTWRITEBYTECODE" => "1", "PYTHONWARNINGS" => "error", "PYTHONPATH" => EXAMPLES }.freeze

  def example(name) = [PYTHON, File.join(EXAMPLES, name)]

  def start_server = start(*example("echo_server.py"), 0, environment: ENVIRONMENT)

  def run_client(*arguments) = run_to_end(*example("echo_client.py"), *arguments, environment: ENVIRONMENT)

  # Runs a program that has the library loaded as `em`, and expects it to print these lines.
  def assert_prints(*lines, program)
    output, status = run_to_end(PYTHON, "-c", "import eventmachine as em\n#{program}", environment: ENVIRONMENT)
    assert_equal lines, output.lines(chomp: true)
    assert_predicate status, :success?
  end

  def test_the_examples_are_short
    files = Dir[File.join(EXAMPLES, "*.py")]
    assert_operator files.size, :>=, 3
    files.each { |file| assert_operator File.readlines(file).size, :<, 80, file }
  end

  def test_the_client_talks_to_the_server
    output, status = run_client("127.0.0.1", start_server.port, "quit, please")
    assert_equal ">>>you sent: quit, please\n", output
    assert_predicate status, :success?
  end

  def test_the_server_serves_many_and_goes_on_after_one_quits
    port = start_server.port
    first, second = Array.new(2) { visit(port) }
    first.write("quit")
    assert_equal ">>>you sent: quit", read_to_end(first)
    second.write("hello")
    expect(">>>you sent: hello", second)
  end

  def test_the_server_survives_clients_that_talk_on_after_they_have_quit
    port = start_server.port
    client = visit(port)
    client.write("quit")
    expect("quit", client)
    begin
      client.write("hello")
      read_to_end(client)
    rescue Errno::EPIPE, Errno::ECONNRESET
      # The socket is closed already.
    end
    other = visit(port)
    other.write("hello")
    expect(">>>you sent: hello", other)
  end

  def test_an_interrupt_ends_the_server_at_once
    server = start_server
    server.port
    Process.kill(:INT, server.process.pid)
    assert_equal Signal.list["INT"], server.status.termsig
    assert_empty server.read
  end

  def test_what_a_call_returns_is_an_exception_with_its_text
    output, status = run_client("nowhere.invalid", 8081, "hello")
    assert_equal ["echo_client: host name not found\n", 1], [output, status.exitstatus]
  end

  def test_what_unbind_is_called_with_is_an_exception_with_its_text
    output, status = run_client("127.0.0.1", closed_port, "hello")
    assert_equal ["echo_client: connection refused\n", 1], [output, status.exitstatus]
  end

  def test_a_port_in_use_is_an_exception_with_its_text
    output, status = run_to_end(*example("echo_server.py"), start_server.port, environment: ENVIRONMENT)
    assert_equal ["echo_server: address already in use\n", 1], [output, status.exitstatus]
  end

  def test_the_loader_can_be_copied_into_a_program
    Dir.mktmpdir do |folder|
      FileUtils.cp(%w[eventmachine.py headers.py].map { |name| File.join(EXAMPLES, name) }, folder)
      places = { "EVENTMACHINE_LIBRARY" => File.join(ROOT, "build/release", "libeventmachine.so"),
                 "EVENTMACHINE_INCLUDE" => File.join(ROOT, "include"), "PYTHONPATH" => folder }
      program = "import eventmachine as em; print(em.NO_MEMORY, em.__file__)"
      output, = run_to_end(PYTHON, "-c", program, environment: ENVIRONMENT.merge(places))
      assert_equal "-1 #{folder}/eventmachine.py\n", output
    end
  end

  def test_constants_and_statuses_are_those_of_the_headers
    assert_prints("5000000000", "18446744073709551615", "-105", "1", <<~PROGRAM)
      print(5 * em.SECONDS, em.FOREVER, em.CONNECTION_REFUSED, em.UNDER_PRESSURE, sep="\\n")
    PROGRAM
  end

  def test_all_functions_of_the_headers_can_be_called
    refute_empty api_functions
    assert_prints("[]", <<~PROGRAM)
      names = "#{api_functions.join(' ')}".split()
      print([name for name in names if not callable(getattr(em, name.removeprefix("em_")))])
    PROGRAM
  end

  def test_an_exception_in_a_callback_stops_the_loop_and_leaves_the_run
    assert_prints("division by zero", "and on", "0", <<~PROGRAM)
      def stop(loop, user):
          print("and on")
          em.loop_stop(loop)
      divide, stop = em.callback("em_timer_callback", lambda *_: 1 / 0), em.callback("em_call", stop)
      with em.loop() as loop:
          em.loop_add_timer(loop, 0, divide, em.NULL, em.NULL, em.NULL)
          try:
              em.loop_run(loop)
          except ZeroDivisionError as error:
              print(error)
          em.loop_next_tick(loop, stop, em.NULL, em.NULL)
          print(em.loop_run(loop))
    PROGRAM
  end

  def test_an_exception_in_a_connection_leaves_the_run_too
    assert_prints("refused", <<~PROGRAM)
      def unbind(connection, reason):
          raise ValueError("refused" if reason == em.CONNECTION_REFUSED else "otherwise")
      handler = em.struct("em_handler", unbind=unbind)
      with em.loop() as loop:
          em.loop_connect(loop, "127.0.0.1", #{closed_port}, handler, em.NULL, em.NULL)
          try:
              em.loop_run(loop)
          except ValueError as error:
              print(error)
    PROGRAM
  end

  def test_exceptions_after_the_run_leave_the_end_of_the_loop
    assert_prints("post_init", "unbind", <<~PROGRAM)
      def fail(text):
          raise ValueError(text)
      handler = em.struct("em_handler", post_init=lambda _: fail("post_init"), unbind=lambda *_: fail("unbind"))
      try:
          with em.loop() as loop:
              try:
                  em.loop_connect(loop, "127.0.0.1", #{closed_port}, handler, em.NULL, em.NULL)
              except ValueError as error:
                  print(error)
      except ValueError as error:
          print(error)
    PROGRAM
  end

  def test_options_take_strings_and_functions_and_their_size
    assert_prints("True", "unknown or unavailable backend", <<~PROGRAM)
      messages = []
      try:
          with em.loop(backend="steam", log=lambda user, level, text: messages.append(em.ffi.string(text).decode())):
              pass
      except em.Error as error:
          print("steam" in messages[0], error, sep="\\n")
    PROGRAM
  end
end
