# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# A listening socket that several processes serve: an idle process serves; one that is busy, stopped or killed delays no
# client, one that stops accepting loses none, and the work is spread evenly.

require "test_helper"
require_relative "support/workers"

class SharedListenerTest < ReactorTest
  include Workers
  self.time_limit = 60

  WORKERS = 4

  def setup
    @listener = listener
    @listener.listen(1000)
    @port = @listener.local_address.ip_port
  end

  # A worker that replies to each request with its name and closes the connection.
  # @yield [Scripted] called first for each request
  def answering(name, &before)
    worker do
      EM.attach_server(@listener, Scripted, { receive_data: lambda { |it, request|
        before&.call(request)
        it.send_data(name.to_s)
        it.close_connection_after_writing
      } })
    end
  end

  # A worker that replies to the request "hold" only once it is told to by the gate, and reports "busy" before. It
  # replies to other requests at once.
  def worker_that_can_be_held(name, gate)
    worker do |it|
      EM.attach_server(@listener, Scripted, { receive_data: lambda { |connection, request|
        if request == "hold"
          it.report("busy")
          gate.sysread(1)
        end
        connection.send_data(name.to_s)
        connection.close_connection_after_writing
      } })
    end
  end

  def test_an_idle_process_serves_while_another_one_is_busy
    gate, release = IO.pipe.each { |io| ours(io) }
    held = worker_that_can_be_held("first", gate)
    answer = Thread.new { ask(@port, "hold") }
    assert_equal "busy", held.next_line
    answering("second")
    assert_equal ["second"] * 50, Array.new(50) { ask(@port) }
    refute answer.join(0), "the answer came before the process could give it"
    release.write("!")
    assert_equal "first", answer.value
  end

  # Each process makes its client wait until all others have accepted one, too.
  def test_in_a_burst_every_idle_process_gets_a_client
    gate, release = IO.pipe.each { |io| ours(io) }
    workers = Array.new(WORKERS) do |name|
      worker do |it|
        EM.attach_server(@listener, Scripted, { post_init: lambda { |connection|
          it.report("accepted")
          gate.sysread(1)
          connection.send_data(name.to_s)
        } })
      end
    end
    10.times do
      sockets = Array.new(WORKERS) { peer(@port) }
      assert_equal ["accepted"] * WORKERS, workers.map(&:next_line)
      release.write("!" * WORKERS)
      assert_equal (0...WORKERS).map(&:to_s), sockets.map { |socket| socket.read(1) }.sort
      sockets.each(&:close)
    end
  end

  def test_a_busy_process_has_accepted_only_the_client_it_serves
    gate, release = IO.pipe.each { |io| ours(io) }
    held = worker_that_can_be_held("first", gate)
    held.suspend
    others = Array.new(30) { peer(@port).tap { |socket| socket.write("hold") } }
    held.signal(:CONT)
    assert_equal "busy", held.next_line
    answering("second")
    readers = others.map { |socket| Thread.new { socket.read } }
    # It may have accepted one more while it received the first one's request. The others get their answer before it
    # goes on.
    wait_until { readers.count(&:alive?) <= 2 }
    release.write("!" * others.size)
    assert_equal %w[first second], readers.map(&:value).uniq.sort
  end

  def test_no_client_waits_for_a_stopped_or_a_killed_process
    names = Array.new(WORKERS) { |i| [i.to_s, answering(i)] }.to_h
    names["0"].suspend
    names["1"].kill
    answers, errors = under_load(@port) { |so_far| wait_until { so_far.size >= 200 } }
    assert_equal [[], []], [errors, answers.uniq - %w[2 3]]
    names["0"].signal(:CONT)
    names.values_at("2", "3").each(&:kill)
    assert_equal ["0"] * 10, Array.new(10) { ask(@port) }
  end

  # Killed and stopped while they serve, so that some end between a wake and an accept: clients that they had not
  # accepted are served.
  def test_processes_that_are_killed_under_load_lose_only_clients_they_had_accepted
    workers = Array.new(WORKERS) { |i| answering(i) }
    _, errors = under_load(@port, clients: 4) do |so_far|
      workers.first(WORKERS - 1).each do |worker|
        served = so_far.size
        wait_until { so_far.size > served + 20 }
        worker.kill
      end
      served = so_far.size
      wait_until { so_far.size > served + 100 }
    end
    # Each had at most one connection of each client, and all clients have gone on.
    assert_operator errors.size, :<=, 4 * (WORKERS - 1)
  end

  # Each request occupies its process for a moment without using the processor, like a query to a database. So the next
  # request goes to a process that is free, not to the one that happens to be on a processor; the machine's speed does
  # not matter.
  def test_the_busiest_process_has_no_more_than_three_times_the_work_of_the_idlest
    WORKERS.times { |i| answering(i) { sleep 0.001 } }
    answers, errors = under_load(@port, clients: 16) { |so_far| wait_until { so_far.size >= 800 } }
    assert_empty errors
    shares = answers.tally
    assert_equal WORKERS, shares.size
    assert_operator shares.values.max, :<=, 3 * shares.values.min, shares.inspect
  end

  # A worker that stops its server on command, and ends when it has served the clients that it had accepted.
  def graceful(name)
    worker do
      server = EM.attach_server(@listener, Scripted, { receive_data: lambda { |it, _|
        it.send_data(name.to_s)
        it.close_connection_after_writing
      } })
      trap(:TERM) do
        EM.add_timer(0) do
          EM.stop_server(server)
          as_soon_as(-> { EM.connection_count.zero? }) { EM.stop }
        end
      end
    end
  end

  def test_a_rolling_restart_that_stops_the_server_first_loses_no_client
    generation = Array.new(WORKERS) { graceful(0) }
    answers, errors = under_load(@port) do |so_far|
      3.times do |i|
        generation = generation.map do |old|
          successor = graceful(i + 1)
          old.signal(:TERM)
          assert_predicate old.wait, :success?
          served = so_far.size
          wait_until { so_far.size > served + 10 }
          successor
        end
      end
    end
    assert_empty errors
    assert_equal %w[0 1 2 3], answers.uniq.sort
  end

  # A worker that just stops the reactor, and reports how many connections it had.
  def abrupt
    worker do |it|
      EM.attach_server(@listener, Scripted, { receive_data: lambda { |connection, _|
        connection.send_data("x")
        connection.close_connection_after_writing
      } })
      EM.add_shutdown_hook { it.report(EM.connection_count - 1) }
      trap(:TERM) { EM.stop }
    end
  end

  def test_stopping_the_reactor_at_once_loses_only_clients_that_were_accepted
    generation = Array.new(WORKERS) { abrupt }
    in_hand = 0
    _, errors = under_load(@port) do |so_far|
      generation = generation.map do |old|
        abrupt.tap do
          served = so_far.size
          wait_until { so_far.size > served + 50 }
          old.signal(:TERM)
          in_hand += old.next_line.to_i
          assert_predicate old.wait, :success?
        end
      end
    end
    assert_operator errors.size, :<=, in_hand
  end

  def test_a_process_that_stops_accepts_no_more_clients_and_others_serve_them
    sockets = Array.new(20) { peer(@port).tap { |socket| socket.write("?") } }
    born = 0
    reactor do
      EM.set_simultaneous_accept_count(5)
      EM.attach_server(@listener.dup, Scripted, { post_init: ->(_) { (born += 1) && EM.stop } })
    end
    assert_equal 1, born
    answering("other")
    answers = sockets.map { |socket| answer_or_end(socket) }
    assert_equal ["", "other"], answers.uniq.sort
    assert_equal 1, answers.count("")
  end

  def test_a_process_that_stops_its_server_serves_its_clients_and_others_serve_the_rest
    sockets = Array.new(20) { peer(@port).tap { |socket| socket.write("?") } }
    reactor do
      EM.set_simultaneous_accept_count(5)
      server = EM.attach_server(@listener.dup, Scripted, {
        post_init: ->(_) { EM.stop_server(server) },
        receive_data: ->(it, _) { it.send_data("own") && it.close_connection_after_writing },
        unbind: ->(*) { EM.stop }
      })
    end
    answering("other")
    assert_equal({ "own" => 1, "other" => 19 }, sockets.map(&:read).tally)
  end

  def test_the_port_of_a_killed_process_is_free_and_its_clients_see_the_end
    10.times do
      serving = worker do |it|
        port = port_of(EM.start_server("127.0.0.1", 0, Echo))
        EM.next_tick { it.report(port) }
      end
      port = serving.next_line.to_i
      clients = Array.new(5) { peer(port) }
      clients.each { |socket| assert_equal "x", socket.write("x") && socket.read(1) }
      serving.kill
      TCPServer.new("127.0.0.1", port).close
      clients.each { |socket| assert_equal "", answer_or_end(socket) }
    end
  end

  # The server of a process that was started with a listening socket, once it has found it.
  SERVE = <<~RUBY
    def serve(listening)
      echo = Module.new { def receive_data(data) = send_data(data) && close_connection_after_writing }
      EM.run { EM.attach_server(listening, echo) }
    end
  RUBY

  # @param descriptors [Hash, Array] what the program inherits and finds in its environment
  def start(source, environment, inherited)
    command = [RbConfig.ruby, "-I", Children::LIBRARY, "-reventmachine", "-rsocket", "-e", SERVE + source]
    @started = Process.spawn(environment, *command, inherited => inherited)
  end

  def teardown
    return unless @started

    Process.kill(:KILL, @started)
    Process.wait(@started)
  end

  def test_a_socket_inherited_by_exec_is_served_by_its_number
    start('serve(Integer(ENV.fetch("LISTENER")))', { "LISTENER" => @listener.fileno.to_s }, @listener.fileno)
    assert_equal ["x"] * 10, Array.new(10) { ask(@port, "x") }
  end

  def test_a_socket_passed_over_a_unix_socket_is_served
    near, far = UNIXSocket.pair.each { |socket| ours(socket) }
    source = 'serve(UNIXSocket.for_fd(Integer(ENV.fetch("PASSAGE"))).recv_io(TCPServer))'
    start(source, { "PASSAGE" => far.fileno.to_s }, far.fileno)
    near.send_io(@listener)
    assert_equal ["x"] * 10, Array.new(10) { ask(@port, "x") }
  end

  # The first process serves it, passes it on, stops and closes it. No client that has connected meanwhile is lost.
  def test_a_socket_may_be_passed_on_while_it_is_served
    near, far = UNIXSocket.pair.each { |socket| ours(socket) }
    giver = worker do |it|
      served = @listener
      server = EM.attach_server(served, Scripted, { receive_data: lambda { |connection, _|
        connection.send_data("giver")
        connection.close_connection_after_writing
        next if served.closed?

        far.send_io(served)
        EM.stop_server(server)
        as_soon_as(-> { EM.connection_count.zero? }) { EM.stop }
      } })
    end
    @listener.close
    waiting = Array.new(10) { peer(@port).tap { |socket| socket.write("?") } }
    assert_predicate giver.wait, :success?
    @listener = ours(near.recv_io(TCPServer))
    answering("taker")
    answers = waiting.map(&:read)
    assert_equal %w[giver taker], answers.uniq.sort
    assert_equal "taker", ask(@port)
  end

  private

  def answer_or_end(socket)
    socket.read
  rescue Errno::ECONNRESET
    ""
  end
end
