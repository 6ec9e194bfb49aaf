# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# What start_tls keeps: equal parameters share one native context, files that have changed are read again, nothing grows
# without bound, and private keys are not shown.

require_relative "../support/tls_peers"

class TLSContextsTest < TLSTest
  repeat_under_gc_pressure except: [/thousand/]

  def contexts
    GC.start
    ObjectSpace.each_object(EventMachine.const_get(:TLSContext)).count
  end

  # Starts TLS with each of the options on a new connection.
  def start_with(all)
    all.each do |options|
      in_reactor { client(server, post_init: ->(it) { it.start_tls(options) }) }
    end
  end

  def test_equal_parameters_share_a_context
    start_with([localhost])
    before = contexts
    start_with(Array.new(50) { localhost })
    assert_operator contexts, :<=, before
  end

  # Options that were checked are found again by their values, which the program may change.
  def test_changing_options_after_their_use_is_safe
    options = { alpn: [+"first"], cert: +"", certificates: nil }
    start_with([options])
    options[:alpn][0] << "x"
    options[:cert] << "no certificate"
    in_reactor { client(server, post_init: ->(it) { assert_raises(EM::BadCertParams) { it.start_tls(options.merge(private_key: "x")) } }) }
    options[:cert].clear
    options[:handshake_timeout] = -1
    in_reactor { client(server, post_init: ->(it) { assert_raises(ArgumentError) { it.start_tls(options) } }) }
  end

  # As in Rails, where a Hash with Strings as its keys can be asked for Symbols.
  class Indifferent < Hash
    def [](key)
      super(key.to_s)
    end
  end

  def test_a_hash_of_a_derived_class_is_not_taken_for_an_equal_one
    events = [{}, Indifferent.new].map do |options|
      options["verify_peer"] = true
      client, = run_pair(options, localhost, client: { ssl_handshake_completed: ->(it) { it.close_connection } })
      client.events
    end
    assert_equal [false, true], events.map { |it| it.include?(:ssl_verify_peer) }
  end

  # It keeps its options for another attempt, but other connections do not pay for that.
  def test_a_refusal_on_one_connection_does_not_make_others_check_their_options_again
    in_reactor { client(server, post_init: ->(it) { assert_raises(EM::BadParams) { it.start_tls(cipher_list: "nonsense") } }) }
    options = { alpn: ["after a refusal"] }
    start_with([options])
    GC.disable
    before = ObjectSpace.each_object(EventMachine.const_get(:TLSParameters)).count
    start_with([options] * 5)
    assert_equal before, ObjectSpace.each_object(EventMachine.const_get(:TLSParameters)).count
  ensure
    GC.enable
  end

  def test_options_are_checked_again_for_the_other_role
    files = { dhparam: "/nonexistent" }
    start_with([files, files])
    in_reactor do
      port = server(post_init: ->(it) { assert_raises(EM::InvalidPrivateKey) { it.start_tls(files) } })
      client(port, unbind: ->(*) { EM.stop })
    end
  end

  def test_the_number_of_contexts_is_bounded
    start_with(Array.new(200) { |i| { alpn: ["protocol-#{i}"] } })
    assert_operator contexts, :<, 150
  end

  def test_new_connections_use_a_certificate_file_that_has_changed
    files = [Certificates.write(Certificates.localhost.chain), Certificates.write(Certificates.localhost.private_key)]
    options = { cert_chain_file: files[0], private_key_file: files[1] }
    subjects = []
    reactor do
      port = tls_server(options, receive_data: ->(it, data) { it.send_data(data) })
      talk_tls(port) do |old|
        subjects << old.peer_cert.subject.to_s
        renewed = Certificates.root.issue("renewed certificate")
        replace(files[0], renewed.chain)
        replace(files[1], renewed.private_key)
        subjects << handshake(peer(port)).peer_cert.subject.to_s
        old.write("still here")
        assert_equal "still here", old.readpartial(100)
      end
    end
    assert_equal ["/CN=localhost", "/CN=renewed certificate"], subjects
  end

  # @return [Array(String, String)] the paths of a certificate and its key
  def files_of(credentials)
    [Certificates.write(credentials.chain), Certificates.write(credentials.private_key)]
  end

  # @return [Array] of each step, the subject that the next client sees and the warnings that were printed
  def subjects_after(options, *steps)
    script = { tls: options, receive_data: ->(it, data) { it.send_data(data) } }
    seen = []
    reactor do
      port = port_of(EM.start_server("127.0.0.1", 0, TLSScripted, script))
      talk(port) do |_|
        steps.each do |step|
          step.call
          warnings = printed { seen << handshake(peer(port)).peer_cert.subject.to_s }
          seen << warnings.scan(/EventMachine goes on.*/).size
        end
      end
    end
    seen
  end

  # @return [String] what is printed to the standard error meanwhile
  def printed
    earlier = $stderr
    $stderr = StringIO.new
    yield
    $stderr.string
  ensure
    $stderr = earlier
  end

  def test_bad_renewed_files_do_not_end_a_server
    certificate, key = files_of(Certificates.localhost)
    renewed = Certificates.root.issue("renewed")
    seen = subjects_after({ cert_chain_file: certificate, private_key_file: key },
                          -> {}, -> { File.delete(certificate) }, -> {}, -> { File.write(certificate, renewed.chain[0, 300]) },
                          -> {}, -> { replace(certificate, renewed.chain) }, -> {}, -> { replace(key, renewed.private_key) })
    old = "/CN=localhost"
    assert_equal [old, 0, old, 1, old, 0, old, 1, old, 0, old, 1, old, 0, "/CN=renewed", 0], seen
  end

  def test_bad_renewed_files_of_certificates_by_name_do_not_end_a_server
    certificate, key = files_of(Certificates.client)
    options = localhost(certificates: { "a.example" => { cert_chain_file: certificate, private_key_file: key } })
    seen = subjects_after(options, -> {}, -> { replace(certificate, "nothing") }, -> {})
    assert_equal ["/CN=localhost", 0, "/CN=localhost", 1, "/CN=localhost", 0], seen
  end

  def test_options_in_use_are_not_forgotten_because_of_many_others
    certificate, key = files_of(Certificates.localhost)
    options = { cert_chain_file: certificate, private_key_file: key }
    others = (0...40).map { |i| -> { start_on_server(localhost(handshake_timeout: 1000 + i)) } }
    seen = subjects_after(options, -> {}, -> { replace(certificate, "nothing") }, *others)
    assert_equal ["/CN=localhost"] * 42, seen.grep(String)
  end

  # Starts TLS as a server on a connection of its own.
  def start_on_server(options)
    done = Queue.new
    port = port_of(EM.start_server("127.0.0.1", 0, TLSScripted, { tls: options, initialize: ->(_) { done << true } }))
    peer(port)
    done.pop
  end

  def test_a_server_that_begins_with_a_bad_file_still_raises
    certificate, key = files_of(Certificates.localhost)
    File.delete(certificate)
    reactor do
      client(server(post_init: lambda { |it|
        assert_raises(EM::FileNotFoundException) { it.start_tls(cert_chain_file: certificate, private_key_file: key) }
        EM.stop
      }))
    end
  end

  def replace(path, content)
    File.write("#{path}.new", content)
    File.rename("#{path}.new", path)
  end

  def test_inspect_shows_no_private_key
    key = Certificates.localhost.private_key
    secret = key.lines[1].chomp
    run_pair({}, localhost(private_key_pass: "geheim"), client: { ssl_handshake_completed: lambda { |it|
      ObjectSpace.each_object(EventMachine.const_get(:TLSContext)) { |it2| refute_includes it2.inspect, secret }
      refute_includes it.inspect, secret
      refute_includes EM.inspect, secret
      it.close_connection
    } })
  end

  def test_errors_show_no_private_key
    key = Certificates.localhost.private_key
    broken = key.lines.tap { |lines| lines[2] = "#{'A' * 64}\n" }.join
    in_reactor do
      client(server, post_init: lambda { |it|
        error = assert_raises(EM::InvalidPrivateKey) { it.start_tls(localhost(private_key: broken)) }
        refute_includes error.full_message, key.lines[1].chomp
      })
    end
  end

  def test_contexts_work_in_a_forked_child
    start_with([localhost])
    subject = in_child do
      seen = nil
      EM.run do
        port = tls_server(localhost)
        tls_client(port, {}, ssl_handshake_completed: lambda { |it|
          seen = OpenSSL::X509::Certificate.new(it.get_peer_cert).subject.to_s
          EM.stop
        })
      end
      seen
    end
    assert_equal "/CN=localhost", subject
  end

  def test_a_thousand_handshakes_leak_nothing
    count = 0
    reactor do
      port = tls_server(localhost)
      again = lambda do
        tls_client(port, {}, ssl_handshake_completed: ->(it) { it.close_connection },
                             unbind: ->(*) { (count += 1) < 1000 ? again.call : EM.stop })
      end
      again.call
    end
    assert_equal 1000, count
    assert_operator contexts, :<, 150
  end
end
