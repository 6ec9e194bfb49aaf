# frozen_string_literal: true

# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# The C of docs/tls.md: its server and its client are compiled and talk to each other, and everything else is compiled.

require_relative "library_helper"
require "openssl"

class TlsPageTest < LibraryTest
  PAGE = File.read(File.join(ROOT, "docs/tls.md"), encoding: Encoding::UTF_8)
  BLOCKS = PAGE.scan(/^### ([^\n]+)\n(?:(?!^##).)*?^```c\n(.*?)^```/m).to_h.freeze
  PROGRAMS, PARTS = BLOCKS.partition { |_, source| source.include?("int main(") }.map(&:to_h)

  def teardown
    super
    FileUtils.remove_entry(@folder) if @folder
  end

  def test_every_section_has_one_block_and_every_block_is_tried
    assert_equal PAGE.scan(/^```c$/).size, BLOCKS.size
    assert_equal ["A server in C", "A client in C"], PROGRAMS.keys
    assert_operator PARTS.size, :>, 5
  end

  PARTS.each do |title, source|
    define_method("test_#{title.downcase.tr(' ', '_')}_compiles") { assert Compiling.compile_part(source) }
  end

  def test_every_status_of_tls_is_explained
    header = File.read(File.join(ROOT, "include/eventmachine/status.h"))
    statuses = header.scan(/X\((EM_TLS_\w+)/).flatten
    assert_operator statuses.size, :>, 5
    assert_empty(statuses.reject { |status| PAGE.match?(/^\| `#{status}` \| \S/) })
  end

  def test_the_server_and_the_client_talk
    with_tls
    start_server
    output, status = run_client
    assert_equal ["hello", 0], [output, status.exitstatus]
  end

  def test_the_client_refuses_a_server_of_another_name
    with_tls
    start_server
    output, status = run_client(name: "127.0.0.1")
    assert_includes output, "does not match the host name (certificate verify failed: "
    assert_predicate status, :success?
  end

  def test_the_starttls_server_echoes_under_tls_only
    with_tls
    socket = start_starttls_server
    socket.write("STARTTLS\n")
    assert_equal "go\n", expect("\n", socket)
    tls = OpenSSL::SSL::SSLSocket.new(socket).tap(&:connect)
    tls.write("hello")
    assert_equal "hello", tls.readpartial(100)
  end

  def test_the_starttls_server_takes_nothing_behind_the_command
    with_tls
    socket = start_starttls_server
    socket.write("STARTTLS\ninjected")
    assert_equal "", read_to_end(socket)
  rescue Errno::ECONNRESET
    # The same: it has closed without a word.
  end

  def test_the_server_says_which_file_is_missing
    with_tls
    output, status = run_to_end(Compiling.compile(PROGRAMS.fetch("A server in C")))
    assert_equal ["eventmachine: cannot read /etc/ssl/shop.pem: No such file or directory (EM_TLS_BAD_CERTIFICATE)\n", 1],
                 [output, status.exitstatus]
  end

  unless Compiling.tls?
    def test_without_openssl_the_server_says_so
      output, status = run_to_end(Compiling.compile(PROGRAMS.fetch("A server in C")))
      assert_equal ["eventmachine: built without OpenSSL: there is no TLS (EM_UNSUPPORTED)\n", 1],
                   [output, status.exitstatus]
    end
  end

  private

  def with_tls
    skip "built without OpenSSL" unless Compiling.tls?
  end

  # @return [TCPSocket] a connection to it
  def start_server(source = PROGRAMS.fetch("A server in C"))
    @folder = Dir.mktmpdir
    write_certificate
    changes = { "/etc/ssl/shop.pem": certificate_file, "/etc/ssl/private/shop.key": key_file, "0.0.0.0": "127.0.0.1",
                "443": @port = free_port }
    start(Compiling.compile(Compiling.replace(source, changes)))
    await_port
  end

  # The callbacks of that section, with the rest of the server.
  def start_starttls_server
    main = PROGRAMS.fetch("A server in C")[/^int main.*/m]
    handler = "static const em_handler echo = {.receive_data = receive_data};"
    start_server("#include <eventmachine.h>\n#{PARTS.fetch('STARTTLS in C')}\n#{handler}\n#{main}")
  end

  # It trusts the server's certificate as OpenSSL's own programs would, by the environment.
  def run_client(name: "localhost")
    source = Compiling.replace(PROGRAMS.fetch("A client in C"), "shop.example.com": name, "443": @port)
    run_to_end(Compiling.compile(source), environment: { "SSL_CERT_FILE" => certificate_file })
  end

  def certificate_file = File.join(@folder, "shop.pem")

  def key_file = File.join(@folder, "shop.key")

  # Signed by itself: it is its own authority.
  def write_certificate
    key = OpenSSL::PKey::EC.generate("prime256v1")
    certificate = OpenSSL::X509::Certificate.new
    certificate.version = 2
    certificate.serial = 1
    certificate.subject = certificate.issuer = OpenSSL::X509::Name.parse("/CN=localhost")
    certificate.public_key = key
    certificate.not_before = Time.now - 3600
    certificate.not_after = Time.now + 3600
    certificate.add_extension(OpenSSL::X509::ExtensionFactory.new.create_extension("subjectAltName", "DNS:localhost"))
    File.write(certificate_file, certificate.sign(key, "SHA256").to_pem)
    File.write(key_file, key.to_pem)
  end

  # The server says nothing when it is ready, so this tries again as long as the server runs.
  def await_port
    visit(@port)
  rescue Errno::ECONNREFUSED
    flunk @running.last.read if @running.last.process.join(0.01)
    retry
  end

  # Below those that the system chooses for clients.
  def free_port
    port = rand(10_000...32_768)
    TCPServer.open("127.0.0.1", port) { port }
  rescue Errno::EADDRINUSE
    retry
  end
end
