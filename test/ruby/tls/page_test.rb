# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# The Ruby programs of docs/tls.md do what the text says, with files, names and a port of the test's own.

require_relative "../support/tls_peers"

class TLSPageTest < TLSTest
  PAGE = File.read(File.expand_path("../../../docs/tls.md", __dir__), encoding: Encoding::UTF_8)
  PROGRAMS = PAGE.scan(/^### ([^\n]+)\n(?:(?!^##).)*?^```ruby\n(.*?)^```/m).to_h.freeze

  def test_every_program_is_tried
    assert_equal PAGE.scan("```ruby").size, PROGRAMS.size
    tried = File.read(__FILE__).scan(/page\(['"]([^'"]+)['"]\)/).flatten
    assert_empty PROGRAMS.keys - tried
  end

  def test_the_server_echoes_to_the_client
    run_page <<~RUBY, "hello\n"
      #{page('A server')}
      #{page('A client')}
      EM.run do
        $port = port_of(EM.start_server("127.0.0.1", 0, Server))
        EM.connect("127.0.0.1", $port, Client)
      end
    RUBY
  end

  def test_the_client_rejects_a_server_of_another_name
    result = run_program <<~RUBY, Certificates.root.issue("bank.example.com")
      #{page('A server')}
      #{page('A client')}
      EM.run { EM.connect("127.0.0.1", port_of(EM.start_server("127.0.0.1", 0, Server)), Client) }
    RUBY
    assert_equal ["", "failed: Errno::EPROTO\n"], [result.output, result.errors]
  end

  def test_the_pinned_certificate_gets_the_data
    run_page pinning(OpenSSL::Digest::SHA256.hexdigest(shop.certificate.to_der)), "received hello\nended\n"
  end

  def test_another_certificate_gets_no_data
    run_page pinning("0" * 64), "ended\n"
  end

  def test_each_name_gets_its_certificate
    others = { "default" => "localhost", "org" => "a.example.org" }.transform_values { |name| Certificates.root.issue(name) }
    source = page("Certificates by name (SNI)")
    others.merge("shop" => shop).each do |file, credentials|
      source = source.gsub("\"#{file}.pem\"", credentials.chain_file.inspect)
                     .gsub("\"#{file}.key\"", credentials.key_file.inspect)
    end
    names = { "shop.example.com" => "shop.example.com", "a.example.org" => "a.example.org", "b.example.com" => "localhost" }
    starting(source) do |port|
      names.each do |asked, subject|
        talk_tls(port, hostname: asked) { |tls| assert_equal "/CN=#{subject}", tls.peer_cert.subject.to_s }
      end
    end
  end

  def test_the_first_common_protocol_is_chosen
    starting(page("Application protocols (ALPN)")) do |port|
      talk_tls(port, alpn_protocols: ["http/1.1", "h2"]) { |tls| assert_equal "h2", tls.alpn_protocol }
    end
  end

  def test_shared_options_protect_both_sides
    run_page <<~RUBY, "received hello\n"
      class Shop < EM::Connection
        def receive_data(data)
          puts "received \#{data}"
          EM.stop
        end
      end

      class Customer < EM::Connection
        def post_init
          send_data("hello")
        end
      end

      EM.run do
      #{page('Options for many connections')}
      end
    RUBY
  end

  def test_a_broken_file_leaves_the_old_certificate
    run_page <<~RUBY, "the old certificate stays\n"
      def warn(message)
        puts message[/\\A[^:]+/]
        EM.stop
      end

      EM.run do
        tls = EM::TLS.new(cert_chain_file: #{shop.chain_file.inspect}, private_key_file: #{shop.key_file.inspect})
        EM.start_server("127.0.0.1", 0, EM::Connection, tls: tls)
        File.write(#{shop.chain_file.inspect}, "broken")
      #{page('Renewing certificates')}
        Process.kill("HUP", Process.pid)
      end
    RUBY
  end

  private

  def shop
    @shop ||= Certificates.root.issue("shop.example.com")
  end

  # @return [String] the section's program, without the line that runs it
  def page(title)
    PROGRAMS.fetch(title).sub(/^EM\.run \{.*\n/, "")
  end

  def pinning(digest)
    <<~RUBY
      #{page('A server')}
      #{page('Verification done right').sub(/"b1b3…"/, digest.inspect)}
      class Receiver < EM::Connection
        include Server

        def receive_data(data)
          puts "received \#{data}"
          close_connection
        end

        def unbind
          puts "ended"
          EM.stop
        end
      end

      EM.run { EM.connect("127.0.0.1", port_of(EM.start_server("127.0.0.1", 0, Receiver)), Pinned) }
    RUBY
  end

  # Runs a server whose post_init is this call of start_tls, until the block, in another thread, returns.
  def starting(call)
    handler = Class.new(EM::Connection) { class_eval("def post_init\n#{call}\nend", __FILE__, __LINE__) }
    reactor { yield port_of(EM.start_server("127.0.0.1", 0, handler)) }
  end

  def run_page(source, output)
    result = run_program(source)
    assert_equal [output, ""], [result.output, result.errors]
    assert_predicate result.status, :success?
  end

  # The environment of the program names the tests' authority, as the page says.
  def run_program(source, credentials = shop)
    changes = { "/etc/ssl/shop.pem" => credentials.chain_file, "/etc/ssl/private/shop.key" => credentials.key_file }
    changes.each { |from, to| source = source.gsub(from, to) }
    source = source.sub('EM.start_server("0.0.0.0", 443,', '$port = port_of EM.start_server("127.0.0.1", 0,')
                   .sub('EM.connect("shop.example.com", 443, Customer, tls: EM::TLS.new)',
                        'EM.connect("127.0.0.1", $port, Customer, tls: EM::TLS.new(hostname: "shop.example.com"))')
    program(<<~RUBY)
      ENV["SSL_CERT_FILE"] = #{Certificates.root.cert_file.inspect}
      def port_of(server) = EM.get_sockname(server).then { |name| Socket.unpack_sockaddr_in(name).first }
      #{source}
    RUBY
  end
end
