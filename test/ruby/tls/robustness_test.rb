# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# Known problems of other libraries: forks, clients that close early, incomplete handshakes, prompts for passphrases,
# signals, threads.

require_relative "../support/tls_peers"
require "pty"

class TLSRobustnessTest < TLSTest
  def test_a_forked_child_cannot_use_the_parents_connections
    results = nil
    reactor do
      port = tls_server(localhost, receive_data: lambda { |it, data|
        results = in_child { use(it) } if data == "fork"
        it.send_data(data)
      })
      talk_tls(port) do |tls|
        %w[before fork after].each do |text|
          tls.write(text)
          assert_equal text, tls.readpartial(100)
        end
      end
    end
    assert_equal ["the loop belongs to another process", 0, nil], results
  end

  def use(connection)
    error = assert_raises(RuntimeError) { connection.start_tls(localhost) }
    [error.message, connection.send_data("child"), connection.close_connection_after_writing]
  end

  # The child of `exit! if fork` may run before its parent has ended.
  def test_a_daemon_goes_on_with_tls
    assert_prints "before", "after", <<~RUBY
      require "socket"
      require "openssl"
      module Server
        def post_init
          start_tls
        end

        def receive_data(data)
          exit!(0) if data == "after" && fork
          send_data(data)
          close_connection_after_writing if data == "after"
        end

        def unbind
          EM.stop if EM.reactor_thread?
        end
      end
      listener = TCPServer.new("127.0.0.1", 0)
      port = listener.local_address.ip_port
      done = fork do
        listener.close
        tls = OpenSSL::SSL::SSLSocket.new(TCPSocket.new("127.0.0.1", port)).connect
        %w[before after].each do |text|
          tls.write(text)
          puts tls.readpartial(100)
        end
        exit!(0)
      end
      middle = fork { EM.run { EM.attach_server(listener, Server) } }
      Process.wait(middle)
      Process.wait(done)
    RUBY
  end

  def test_a_forked_child_leaves_the_parents_connections_alone
    reactor do
      port = tls_server(localhost, receive_data: lambda { |it, data|
        Process.wait(fork { exit }) if data == "fork"
        it.send_data("<#{data}>")
      })
      talk_tls(port) do |tls|
        %w[before fork after].each do |text|
          tls.write(text)
          assert_equal "<#{text}>", tls.readpartial(100)
        end
      end
    end
  end

  # They answer the session tickets, which they never read, with a reset.
  def test_data_of_clients_that_close_at_once_is_received
    heard = []
    count = 40
    reactor do
      port = tls_server(localhost, unbind: lambda { |it, _|
        heard << it.received
        EM.stop if heard.size == count
      })
      clients = Thread.new do
        count.times do |i|
          socket = peer(port)
          handshake(socket).syswrite("message #{i}")
          socket.close
        end
      end
      clients.report_on_exception = false
      (@conversations ||= []) << clients
    end
    assert_equal Array.new(count) { |i| "message #{i}" }.sort, heard.sort
  end

  def test_clients_that_stop_during_the_handshake_time_out
    reasons = []
    reactor do
      port = tls_server(localhost(handshake_timeout: 0.1), unbind: lambda { |_, reason|
        reasons << reason
        EM.stop if reasons.size == 50
      })
      50.times { peer(port).write("\x16\x03\x01\x02\x00\x01") }
    end
    assert_equal [Errno::ETIMEDOUT] * 50, reasons
  end

  def test_a_hello_may_arrive_byte_by_byte
    pieces = []
    reactor do
      target = tls_server(localhost, receive_data: ->(it, data) { it.send_data(data) })
      relay = relay_to(target) { |bytes| pieces.concat(bytes.chars) }
      talk_tls(relay) do |tls|
        tls.write("hello")
        assert_equal "hello", tls.readpartial(100)
      end
    end
    assert_operator pieces.size, :>, 200
  end

  # A server that passes bytes on one by one, a turn for each.
  def relay_to(port)
    script = { post_init: lambda { |front|
      back = client(port, receive_data: ->(_, data) { front.send_data(data) })
      queue = []
      EM::PeriodicTimer.new(0.0001) { back.send_data(queue.shift) if queue.any? && back.events.include?(:connection_completed) }
      front.define_singleton_method(:receive_data) do |data|
        yield data
        queue.concat(data.chars)
      end
    } }
    port_of(EM.start_server("127.0.0.1", 0, Scripted, script))
  end

  def test_an_address_as_server_name_gets_the_default_certificate
    name = :none
    reactor do
      port = tls_server(localhost(certificates: { "a.example" => { cert: Certificates.client.cert,
                                                                   private_key: Certificates.client.private_key } }),
                        ssl_handshake_completed: ->(it) { name = it.get_sni_hostname })
      talk_tls(port, hostname: "127.0.0.1") { |tls| assert_equal "/CN=localhost", tls.peer_cert.subject.to_s }
    end
    assert_includes [nil, "127.0.0.1"], name
  end

  def test_no_passphrase_is_asked_for_on_a_terminal
    key = Certificates.write(Certificates.root.private_key("secret"))
    source = <<~RUBY
      EM.run do
        port, = Socket.unpack_sockaddr_in(EM.get_sockname(EM.start_server("127.0.0.1", 0)))
        connection = EM.connect("127.0.0.1", port)
        begin
          connection.start_tls(private_key_file: #{key.inspect}, cert_chain_file: #{Certificates.root.cert_file.inspect})
        rescue EM::InvalidPrivateKey
          puts "refused"
        end
        EM.stop
      end
    RUBY
    output = on_terminal(RbConfig.ruby, "-I", Children::LIBRARY, "-reventmachine", "-e", source)
    assert_equal "refused", output.strip
  end

  def on_terminal(*command)
    output = +""
    reader, writer, pid = PTY.spawn(*command)
    loop { output << reader.readpartial(1000) }
  rescue Errno::EIO
    Process.wait(pid)
    [reader, writer].each(&:close)
    output
  end

  # Its configuration is a pipe, which OpenSSL would wait for when it starts.
  def test_programs_without_tls_do_not_start_openssl
    Dir.mktmpdir do |directory|
      earlier = ENV["OPENSSL_CONF"]
      ENV["OPENSSL_CONF"] = File.join(directory, "openssl.cnf").tap { |path| File.mkfifo(path) }
      assert_prints "ended", <<~RUBY
        EM.run { EM.start_server("127.0.0.1", 0) && EM.stop }
        puts "ended"
      RUBY
    ensure
      ENV["OPENSSL_CONF"] = earlier
    end
  end

  def test_a_peer_that_resets_does_not_end_a_process_with_the_default_action_for_sigpipe
    result = program(<<~RUBY)
      require "openssl"
      require #{File.expand_path('../support/certificates', __dir__).inspect}
      Signal.trap("PIPE", "SYSTEM_DEFAULT")
      server = Class.new(EM::Connection) do
        define_method(:post_init) { start_tls }
        define_method(:ssl_handshake_completed) { send_data("x" * 20_000_000) }
        define_method(:unbind) { |reason| print reason; EM.stop }
      end
      EM.run do
        port, = Socket.unpack_sockaddr_in(EM.get_sockname(EM.start_server("127.0.0.1", 0, server)))
        Thread.new do
          socket = TCPSocket.new("127.0.0.1", port)
          OpenSSL::SSL::SSLSocket.new(socket).connect.readpartial(1)
          socket.setsockopt(Socket::Option.linger(true, 0))
          socket.close
        end
      end
    RUBY
    assert_includes ["Errno::ECONNRESET", "Errno::EPIPE"], result.output
    assert_predicate result.status, :success?
  end

  # Opens a connection in another thread, whose post_init calls the block.
  # @return [Array<Symbol>] the callbacks in their order
  def events_of_other_thread(options)
    events = nil
    reactor do
      port = tls_server(localhost, receive_data: ->(it, data) { it.send_data(data) })
      thread = Thread.new do
        tls_client(port, options, ssl_verify_peer: ->(*) { true }, post_init: lambda { |it|
          it.send_data("x")
          yield
        }, receive_data: lambda { |it, _|
          events = it.events.dup
          EM.stop
        })
      end
      thread.report_on_exception = false
      (@conversations ||= []) << thread
    end
    events
  end

  def test_connections_of_another_thread_get_callbacks_in_order
    events = events_of_other_thread({}) { wait_until_asleep }
    assert_equal %i[initialize post_init connection_completed ssl_handshake_completed receive_data], events
    events = events_of_other_thread({ verify_peer: true }) { wait_until_asleep }
    assert_equal %i[initialize post_init connection_completed ssl_verify_peer ssl_handshake_completed receive_data], events.uniq
  end

  # ssl_verify_peer cannot wait forever, so it is called before post_init has returned.
  def test_another_thread_may_wait_for_the_reactor_in_post_init
    events = events_of_other_thread({ verify_peer: true }) do
      done = Queue.new
      EM.add_timer(0.02) { done << 1 }
      done.pop
    end
    assert_includes events, :receive_data
  end

  def test_bad_clients_do_not_disturb_a_good_one
    echoed = 0
    reactor do
      port = tls_server(localhost, receive_data: ->(it, data) { it.send_data(data) })
      talk_tls(port) do |tls|
        100.times do |i|
          peer(port).write(["GET / HTTP/1.0\r\n\r\n", "\x16\x03\x01\x00\x01\x00", "\x80\x2e", "\x15\x03\x01\x00\x02\x02\x28"][i % 4])
          tls.write("#{i}\n")
          echoed += 1 if tls.gets == "#{i}\n"
        end
      end
    end
    assert_equal 100, echoed
  end

  def test_a_slow_reader_receives_everything
    size = 20_000_000
    received = 0
    reactor do
      port = tls_server(localhost, ssl_handshake_completed: lambda { |it|
        it.send_data("x" * size)
        it.close_connection_after_writing
      })
      talk_tls(port) do |tls|
        wait_until_asleep
        received += tls.sysread(1 << 20).bytesize until received == size
      end
    end
    assert_equal size, received
  end
end
